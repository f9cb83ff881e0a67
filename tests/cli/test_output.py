"""What a file's ending says, and what is asked for: one rule for all commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tsprompt.errors import ConfigError
from tsprompt_cli.display.predictions import PredictionsForm, chosen_form
from tsprompt_cli.output import Format, check_target, chosen


def test_the_ending_says_the_format_unless_it_is_asked_for() -> None:
    assert chosen(None, Path("a.JSON")) is Format.JSON
    assert chosen(None, Path("a.md")) is Format.MARKDOWN
    assert chosen(Format.CSV, Path("a")) is Format.CSV
    assert chosen(Format.CSV, Path("a.txt")) is Format.CSV
    assert chosen_form(None, Path("a.parquet")) is PredictionsForm.PARQUET


@pytest.mark.parametrize("name", ["a", "a.txt", "a.parquet", "a.html", "a.csv.gz"])
def test_an_ending_that_says_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"can't tell a format .* \.csv, \.json, \.md, or --for"):
        chosen(None, Path(name))


def test_an_ending_that_says_another_format_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ends as csv does, but json .* ends in \.json"):
        chosen(Format.JSON, Path("a.csv"))
    with pytest.raises(ConfigError, match=r"ends as parquet does, but jsonl"):
        chosen_form(PredictionsForm.JSONL, Path("a.parquet"))
    with pytest.raises(ConfigError, match="for the screen"):
        chosen(Format.TABLE, Path("a.csv"))


def test_options_that_are_called_by_their_format(tmp_path: Path) -> None:
    for name in ("page.html", "page.htm", "page", "page.xhtml"):
        check_target(tmp_path / name, "html")
    check_target(tmp_path / "runs.jsonl", "pack", "json", "jsonl")
    with pytest.raises(ConfigError, match=r"ends as csv does, but html .* \.htm or \.html"):
        check_target(tmp_path / "page.csv", "html")
    with pytest.raises(ConfigError, match="is a folder"):
        check_target(tmp_path, "html")
