"""Hostile names: in every medium they are shown, and take no effect."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from tsprompt.base.names import for_csv, for_file, for_latex, for_markdown, for_terminal, visible
from tsprompt.base.tables import plain_table

HOSTILE = [
    "\x1b[31mred",
    "\x1b]0;owned\x07",
    "\x9b31m",
    "[bold red]x[/]",
    "[/nothing]",
    ":smile:",
    "a\\",
    "=cmd|' /C calc'!A1",
    "@SUM(A1)",
    "-1+1|x",
    "+1-800",
    "| a | b |",
    "a\n| b",
    "a\r\nb",
    "\u2028\u2029\x85",
    "\u202eevil",
    "\ud800",
    "\x00",
    "\ufffe",
    "# head",
    "1. item",
    "---",
    "- [ ] x",
    "> said",
    "[x](javascript:alert(1))",
    "![x](http://a/b)",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "&lt;",
    "&#x3c;",
    "*a* _b_ __c__ `d` ~~e~~",
    "\\input{/etc/passwd}",
    "%\\end{tabular}",
    "[1pt]",
    "*",
    "$x^2_3$",
    "a & b # {c} ~d",
    "..",
    ".",
    "",
    " ",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\windows",
    "con",
    "NUL.txt",
    "a.",
    "'\"",
    "m" * 300,
    "é" * 300,
]
SIGNS = "\x00\x07\x1b\n\r\t\x85\x9b\u202e\u2028\ud800[]()<>|*_`~#&;$%^{}\\/.'\"=+-@:! 0aé"
NAMES = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.sampled_from(SIGNS), max_size=12),
    st.text(st.characters(exclude_categories=()), max_size=12),
)
many = settings(max_examples=300, deadline=None)


def acts(text: str) -> bool:
    return any(unicodedata.category(one) in ("Cc", "Cs", "Cn", "Zl", "Zp") for one in text)


@many
@given(NAMES)
def test_what_is_visible_can_be_written_and_looked_at(name: str) -> None:
    shown = visible(name)
    assert not acts(shown)
    shown.encode("utf-8")
    assert visible(shown) == shown
    assert len(shown) >= len(name)


@pytest.mark.parametrize("name", ["GunPoint", "shared, no LM", "a\\b", "Ünï 手 👩‍👧", "می‌خواهم"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert visible(name) == name
    assert for_terminal(name).plain == name
    assert for_csv(name) == name


@many
@given(NAMES)
def test_a_terminal_shows_a_name_and_obeys_none(name: str) -> None:
    screen = Console(file=io.StringIO(), width=5000, no_color=True, color_system=None)
    table = plain_table(name)
    table.add_column(for_terminal(name))
    table.add_row(for_terminal(name, "bold"))
    screen.print(table)
    screen.print(for_terminal(name), soft_wrap=True)
    said = screen.file.getvalue()  # type: ignore[attr-defined]
    assert not acts(said.replace("\n", ""))
    assert said.count(visible(name)) >= 4
    assert len(said.splitlines()) == (5 if name else 4)  # an empty title takes no line


@many
@given(NAMES)
def test_a_spreadsheet_computes_nothing(name: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([for_csv(name), "next"])
    [row] = csv.reader(io.StringIO(file.getvalue()))
    assert len(row) == 2
    assert row[0] in (visible(name), f"'{visible(name)}")
    if re.match(r"\s*[=+\-@].", row[0]):
        float(row[0].rstrip("%"))


@pytest.mark.parametrize("label", ["-1", "+1", "-1.5e-3", "-inf", "-"])
def test_labels_that_are_numbers_are_no_formulas(label: str) -> None:
    assert for_csv(label) == label


@many
@given(NAMES)
@example("a_b_c")
def test_markdown_reads_a_name_as_text(name: str) -> None:
    told = for_markdown(name)
    reader = MarkdownIt("gfm-like", {"linkify": False})
    for text, kinds in (
        (f"| {told} | next |\n| --- | --- |\n| {told} | next |\n", {"tr_open": 2, "td_open": 2}),
        (f"- {told}\n", {"list_item_open": 1}),
        (f"before\n\n{told}\n\nafter\n", {}),
    ):
        tokens = reader.parse(text)
        found = [one.type for one in tokens]
        for kind, count in kinds.items():
            assert found.count(kind) == count
        allowed = {"inline", *(f"{one}_{end}" for one in BLOCKS for end in ("open", "close"))}
        assert set(found) <= allowed
        texts = [one for one in tokens if one.type == "inline"]
        for one in texts:
            children = one.children or []
            assert {child.type for child in children} <= {"text", "text_special"}
            read = "".join(child.content for child in children)
            assert read.strip() in (visible(name).strip(), "next", "before", "after")


BLOCKS = ["table", "thead", "tbody", "tr", "th", "td", "bullet_list", "list_item", "paragraph"]


def read_latex(text: str) -> str:
    """What LaTeX would set, for all that `for_latex` may write; anything else fails."""
    text = re.sub(r"^\{([\[*])\}", r"\1", text)
    words = {r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^"}
    pattern = re.compile(r"(\\text\w+\{\})|\\([&%$#_{}])|([^\\&%$#_{}~^])")
    read, at = "", 0
    while at < len(text):
        found = pattern.match(text, at)
        assert found, text[at:]
        read += words[found[1]] if found[1] else found[2] or found[3]
        at = found.end()
    return read


@many
@given(NAMES)
def test_latex_sets_a_name_and_runs_none(name: str) -> None:
    told = for_latex(name)
    assert not told.startswith(("[", "*"))
    assert read_latex(told) == visible(name)


@many
@given(NAMES)
def test_a_file_stays_in_its_folder(name: str) -> None:
    file = for_file(name)
    assert file.isascii()
    assert file not in ("", ".", "..")
    assert not {*'/\\:*?"<>|\0\n'} & {*file}
    assert len(file) <= 200
    assert not file.startswith(".")
    assert file[-1] not in ". "


def test_every_hostile_name_can_be_a_file_of_its_own(tmp_path: Path) -> None:
    for name in HOSTILE:
        (tmp_path / f"{for_file(name)}.json").touch(exist_ok=False)
    assert len(list(tmp_path.iterdir())) == len(HOSTILE)


@many
@given(NAMES, NAMES)
def test_two_names_are_two_files(one: str, other: str) -> None:
    assert (for_file(one) == for_file(other)) == (one == other)
