"""Names that are given to commands or lie in files: refused or shown, never obeyed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.slow

ACTS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
NAMES = [
    "\x1b]0;owned\x07",
    "[bold]x[/nothing]",
    "a\r\nError: b",
    "../..",
    "\x00",
    "\ud800",
    "m" * 300,
    "m" * 300 + ".csv",
    "a/" + "m" * 300,
    "no\x1b/such.ts",
]


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    result = CliRunner().invoke(app, list(args))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert not ACTS.search(result.output), result.output
    return result


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_given_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (
        ("datasets", "info"),
        ("fit",),
        ("predict", "absent"),
        ("show",),
        ("report",),
        ("fit", "UnitTest", "--head"),
        ("fit", "UnitTest", "--prompt-from"),
        ("bench", "run"),
    ):
        result = run(*command, name)
        assert result.exit_code == 2, (command, result.output)
        # What can be no path at all is the parser's to refuse, in a box of its own.
        assert len(re.findall(r"^Error: |─ Error ─", result.stderr, re.MULTILINE)) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "lengths"),
    # A page is written beside its place first, under a name that is longer.
    [(("fit", "UnitTest", "-o"), [256, 300]), (("report", ".", "--html"), [250, 300])],
)
def test_a_place_that_no_system_takes_is_refused_before_any_work(
    option: tuple[str, ...], lengths: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for length in lengths:
        result = run(*option, "m" * length)
        assert result.exit_code == 2
        assert "can't be written (File name too long)" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_sets_and_classes_of_hostile_names_are_shown(tmp_path: Path) -> None:
    name, label = "S\x1b[31m[red]", "=1+1[/b]"
    home = tmp_path / name
    home.mkdir()
    for part in ("TRAIN", "TEST"):
        (home / f"{name}_{part}.ts").write_text(
            f"@univariate true\n@classLabel true {label} ok\n@data\n1,2,3:{label}\n3,2,1:ok\n"
        )
    where = ("--data-dir", str(tmp_path))
    assert "S\\x1b[31m[red]" in run("datasets", "list", *where).stdout
    info = run("datasets", "info", name, *where)
    assert info.exit_code == 0, info.output
    assert label in info.stdout
    told = json.loads(run("datasets", "info", name, *where, "--format", "json").stdout)
    assert told["name"] == name
    csv = run("datasets", "list", *where, "--format", "csv").stdout
    assert "S\\x1b[31m[red]" in csv
