"""`tsprompt fit` says where a model validates as well without its language model."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tsprompt.benchmark.lighter import Lighter
from tsprompt_cli.again import again
from tsprompt_cli.display.lighter import lighter_lines, lighter_told

LEVEL = Lighter(1.0, 0.975, 0.025, 0.025, 40, "leave-one-out")
WORSE = Lighter(1.0, 0.8, 0.2, 0.05, 40, "leave-one-out")


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, list(args))


def test_one_line_says_so_with_the_command() -> None:
    [(name, line), (_, command)] = lighter_lines(LEVEL, "tsprompt fit X")
    assert name == "lighter"
    assert "0.975 against 1.000, difference −0.025 ± 0.025 on 40 cases (leave-one-out)" in line
    assert command == "tsprompt fit X"
    assert lighter_lines(WORSE, "") == lighter_lines(None, "") == []


def test_json_has_the_figures_either_way() -> None:
    told = lighter_told(LEVEL, "tsprompt fit X")["without_language_model"]
    assert (told["level"], told["command"]) == (True, "tsprompt fit X")
    told = lighter_told(WORSE, "tsprompt fit X")["without_language_model"]
    assert (told["level"], told["command"], told["twin"]) == (False, None, 0.8)
    assert lighter_told(None, "") == {}
    assert "command" not in lighter_told(LEVEL)["without_language_model"]


def test_a_command_is_spelled_again_with_other_choices() -> None:
    app, said = typer.Typer(), []

    @app.command()
    def one(
        invoked: typer.Context,
        place: str,
        *,
        twin: Annotated[bool, typer.Option("--twin/--no-twin")] = True,
        words: Annotated[list[str] | None, typer.Option("--word", "-w")] = None,
        count: int = 3,
        kept: int = 0,
    ) -> None:
        said.append(shlex.split(again(invoked, count=5, kept=None)))

    @app.command()
    def other() -> None: ...

    args = ["one", "a b", "--no-twin", "-w", "x y", "-w", "z", "--kept", "7"]
    assert CliRunner().invoke(app, args).exit_code == 0
    assert said == [
        ["tsprompt", "one", "a b", "--no-twin", "--word", "x y", "--word", "z", "--count", "5"]
    ]


@pytest.fixture
def fit(tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Fit UnitTest with these flags, and give what is printed as JSON and the model's details."""
    monkeypatch.chdir(tmp_path)
    cheap = ["--backbone", tiny_bert, "--n-prompts", "1", "--device", "cpu", "--dtype", "float32"]

    def fitted(*flags: str) -> tuple[dict[str, Any], dict[str, Any]]:
        asked = ("fit", "UnitTest", *cheap, "--tokenizer", "kernels:steps=4", *flags)
        done = run(*asked, "--format", "json")
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        return told, json.loads(Path(told["saved"], "model.json").read_text())["details"]

    return fitted


@pytest.mark.slow
def test_fit_tells_it_in_json_and_in_the_models_file(fit: Any, tiny_bert: str) -> None:
    told, details = fit("--seed", "1")
    found = told["without_language_model"]
    kept = details["without_language_model"]
    assert kept == {key: value for key, value in found.items() if key != "command"}
    own = {one["method"]: one["validation_accuracy"] for one in told["records"]}
    assert (found["model"], found["twin"]) == pytest.approx((own["shared"], own["no LM"]))
    assert found["cases"] == 20
    alone, _ = fit("--seed", "1", "--no-ablations")
    assert [one["method"] for one in alone["records"]] == ["shared"]
    assert {**alone["without_language_model"], "command": ""} == {**found, "command": ""}
    if found["level"]:
        words = shlex.split(found["command"])
        assert words[:3] == ["tsprompt", "fit", "UnitTest"]
        assert words[words.index("--backbone") + 1] == f"none:{tiny_bert}"
        assert "--format" not in words
        again_told = json.loads(run(*words[1:], "--format", "json").stdout)
        light = again_told["records"][0]
        assert light["validation_accuracy"] == pytest.approx(found["twin"])
        assert "without_language_model" not in again_told


@pytest.mark.slow
def test_nothing_is_claimed_where_it_is_not_asked_or_nothing_was_judged(fit: Any) -> None:
    told, details = fit("--no-twin", "--no-ablations")
    assert "without_language_model" not in told.keys() | details.keys()
    told, details = fit("--shots", "1", "--no-ablations")
    assert "without_language_model" not in told.keys() | details.keys()


@pytest.mark.slow
def test_a_long_fit_is_not_made_longer_unless_that_is_asked_for(
    fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsprompt_cli.fit_session._LONG", 0.0)
    told, _ = fit("--no-ablations")
    assert "without_language_model" not in told
    told, _ = fit("--no-ablations", "--twin")
    assert "without_language_model" in told
