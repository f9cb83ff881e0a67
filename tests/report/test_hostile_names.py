"""Reports and folders of results whose names are hostile: nothing takes effect, nothing escapes."""

from __future__ import annotations

import csv
import io
import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tsprompt.base.names import visible
from tsprompt.benchmark import Cell, Method, Predictions, Record, ResultsFolder, write_accuracies
from tsprompt.benchmark.tsml import read_predictions, write_predictions
from tsprompt.errors import DatasetError
from tsprompt.report import Results, latex, make_report, markdown, render, report_tables
from tsprompt.report.contents import Report
from tsprompt.report.page import page

pytestmark = pytest.mark.slow

NAMES = [
    "\x1b]0;owned\x07",
    "a\n\\input{/etc/passwd} %",
    "</script><script>alert(1)</script>",
    "\"' onmouseover=alert(1) x='",
    "=cmd|' /C calc'!A1",
    "[bold]x[/bold] :smile:",
    "| a | b |",
    "$\\frac{1}{2}$ \x00 \ufffe",
    "set",
    "method",
    "overall",
    "",
    "..",
    "[1pt] & \\\\",
    "m" * 300,
]


def report_of(names: list[str], sets: list[str]) -> Report:
    records = [
        Record(
            *(dataset, method, "model", 0, 0, "ok"),
            accuracy=(3 * i + 2 * j) % 7 / 10 + 0.2,
            fit_seconds=1.0 + i,
            predict_seconds=1.0,
            versions={"pack\x1bage": "<b>1</b>"},
        )
        for i, method in enumerate(names)
        for j, dataset in enumerate(sets)
    ]
    broken = Record(sets[0], names[0], "model", 1, 0, "failed", error=f"{names[1]}: broke")
    return make_report(Results(Path("results"), [*records, broken], []))


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(NAMES, NAMES[::-1])


def absent(name: str) -> None:
    raise DatasetError(f"no set {name}")


class Reader(HTMLParser):
    """Tags with their attributes, scripts and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        self.text += data


def test_a_page_shows_names_and_runs_none(report: Report) -> None:
    made = page(report, absent)  # type: ignore[arg-type]
    made.encode("utf-8")
    read = Reader(made)
    assert [tag for tag, _ in read.tags].count("script") == 2
    assert not [attrs for _, attrs in read.tags if any(name.startswith("on") for name in attrs)]
    for name in NAMES:
        assert visible(name) in read.text
    assert "overall (a set)" in read.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\ud800-\udfff]", made)
    data, own = read.scripts
    assert set(json.loads(data)["methods"]) == set(NAMES)
    policy = next(attrs["content"] for tag, attrs in read.tags if "http-equiv" in attrs)
    digest = b64encode(sha256(own.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in str(policy)


def test_a_terminal_gets_no_escapes(report: Report) -> None:
    screen = Console(file=io.StringIO(), width=120, color_system=None)
    for table in report_tables(report, screen):
        screen.print(table)
    said = screen.file.getvalue()  # type: ignore[attr-defined]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said)
    assert "[bold]x[/bold] :smile:" in said


def test_markdown_keeps_its_tables(report: Report) -> None:
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown(report))
    kinds = {child.type for one in tokens for child in one.children or []}
    assert kinds <= {"text", "text_special"}
    cells = [one.content for one in tokens if one.type == "inline"]
    assert any("input{/etc/passwd}" in one for one in cells)
    rows = [one for one in tokens if one.type == "tr_open"]
    pairs = len(NAMES) * (len(NAMES) - 1) // 2
    assert len(rows) == (len(NAMES) + 1) + (pairs + 1) + (len(NAMES) + 1)


def test_latex_keeps_its_rows(report: Report) -> None:
    text = latex(report)
    text.encode("utf-8")
    for line in text.splitlines():
        assert not line.startswith(("\\input", "[", "*"))
        assert not re.search(r"(?<!\\)(\\\\)*\\input\{/etc", line) or line.startswith("%")
    assert text.count("\\midrule") == 2
    assert sum(line.endswith(" \\\\") for line in text.splitlines()) == 1 + len(NAMES) + 2


def test_csv_and_json_hold_every_name(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(render(report.summary, "csv"))))
    assert {row["method"].removeprefix("'") for row in rows} == {visible(name) for name in NAMES}
    assert not [row for row in rows if row["method"].startswith("=")]
    held = json.loads(render(report.summary, "json"))["rows"]
    assert {row["method"] for row in held} == set(NAMES)


def test_heads_of_columns_are_names_too() -> None:
    table = pd.DataFrame([[1.0, "x"]], columns=["=1+1", "a|b\n"])
    assert render(table, "csv").splitlines()[0] == "'=1+1,a|b\\n"
    assert render(table, "markdown").startswith("| =1+1 | a\\|b\\\\n |\n")


@pytest.mark.parametrize("name", NAMES)
def test_runs_of_a_hostile_name_stay_in_the_folder(
    name: str, tmp_path: Path, make_record: Callable[..., Record]
) -> None:
    results = ResultsFolder(tmp_path / "results")
    method = Method(name=name, kind="baseline", settings={"baseline": "ridge"})
    cell = Cell(name, method, 0)
    inside = (tmp_path / "results").resolve()
    place = tmp_path / "results" / results.predictions_name(cell)
    assert place.resolve().is_relative_to(inside)
    with results.claim(name) as free:
        assert free
        assert len(results.begun()) == 1
    for file in (results.record_file(name), results.log_file(name)):
        assert file.resolve().is_relative_to(inside)
    record = make_record(name, name, 0.5)
    record.write(results.record_file(name))
    assert results.read(name) == record
    labels = np.array(["=a", "b\n"])
    said = Predictions(labels, labels, np.eye(2), labels.tolist())
    write_predictions(place, record, said)
    assert read_predictions(place)[3] == ["=a", "b\n"]
    for file in write_accuracies(tmp_path / "results", [record]):
        assert file.resolve().is_relative_to(inside)
        assert len(file.read_text("utf-8").splitlines()) == 2


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
        min_size=2,
        max_size=4,
        unique=True,
    )
)
def test_no_name_breaks_a_report(names: list[str]) -> None:
    made = report_of(names, ["A", "B", *names])
    Reader(page(made, absent))  # type: ignore[arg-type]
    screen = Console(file=io.StringIO(), width=120)
    for table in report_tables(made, screen):
        screen.print(table)
    for text in (latex(made), markdown(made), render(made.summary, "csv")):
        text.encode("utf-8")
