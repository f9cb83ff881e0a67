"""`--dry-run`: what it would take, and nothing is run, fetched or written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("wide")]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cheap(tiny_bert: str) -> list[str]:
    return ["--backbone", tiny_bert, "--tokenizer", "kernels:steps=4", "--device", "cpu"]


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, [*args])


def told(*args: str) -> dict[str, Any]:
    result = run(*args, "--dry-run", "--format", "json")
    assert result.exit_code == 0, result.output
    assert list(Path().iterdir()) == []
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_fit_says_what_it_and_its_twins_would_take(cheap: list[str]) -> None:
    shown = run("fit", "UnitTest", *cheap, "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "nothing was run" in shown.stdout
    assert "for 3 runs" in shown.stdout
    found = told("fit", "UnitTest", *cheap)
    rows = found["estimates"]
    assert [row["method"] for row in rows] == ["shared", "no LM", "random weights"]
    assert found["complete"]
    assert found["seconds"] == pytest.approx(sum(row["seconds"] for row in rows))
    assert [row["tokens"] > 0 for row in rows] == [True, False, True]


def test_each_fit_of_a_cross_validation_counts(cheap: list[str]) -> None:
    lines = ["id,time,x,label"]
    lines += [
        f"c{i},{t},{(i % 2) * 3 + t * 0.1},{'ab'[i % 2]}" for i in range(12) for t in range(8)
    ]
    table = Path("..") / f"{Path().absolute().name}.csv"
    table.write_text("\n".join(lines) + "\n")
    rows = told("fit", str(table), *cheap, "--cv", "3", "--no-ablations")["estimates"]
    assert [(row["method"], row["runs"], row["cases"]) for row in rows] == [
        ("shared", 3, 8),
        ("shared, all cases", 1, 12),
        ("no LM, all cases", 1, 12),
    ]


def test_what_is_not_known_before_is_said(cheap: list[str]) -> None:
    shown = run("fit", "UnitTest", *cheap, "--dry-run", "--no-ablations", "--head", "mlp").stdout
    assert "at least" in shown
    assert "the head 'mlp' is fitted for as long as it helps" in shown
    rows = told("fit", "UnitTest", *cheap, "--strategy", "autoencoder", "--no-ablations")[
        "estimates"
    ]
    assert rows[0]["seconds"] is None


def test_bench_says_it_for_each_method_and_set_and_for_all(cheap: list[str]) -> None:
    asked = ("UnitTest", "ItalyPowerDemand", "--methods", "fast,ridge", "--seeds", "3", *cheap)
    found = told("bench", "run", *asked, "--jobs", "2")
    rows = found["estimates"]
    assert [(row["dataset"], row["method"], row["runs"]) for row in rows] == [
        ("UnitTest", "fast", 3),
        ("UnitTest", "ridge on raw values", 1),
        ("ItalyPowerDemand", "fast", 3),
        ("ItalyPowerDemand", "ridge on raw values", 1),
    ]
    assert [row["seconds"] is None for row in rows] == [False, True] * 2
    assert "known by its first run" in rows[1]["unknown"][0]
    assert not found["complete"]
    work = sum(3 * row["seconds"] for row in rows if row["seconds"])
    assert found["seconds"] == pytest.approx(work / 2)
    shown = run("bench", "run", *asked, "--jobs", "2", "--dry-run").stdout
    assert "at least" in shown
    assert "8 runs, 2 at a time" in shown


def test_a_set_that_is_not_here_is_not_fetched(
    cheap: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a set was fetched")

    monkeypatch.setattr("tsprompt_datasets.archive.download_dataset", refuse)
    [row] = told("bench", "run", "Adiac", *cheap)["estimates"]
    assert row["seconds"] is None
    assert "Adiac" in row["unknown"][0]


@pytest.mark.usefixtures("one_fork_server")
def test_what_has_a_record_is_not_counted_and_tells_of_others(cheap: list[str]) -> None:
    asked = ("bench", "run", "UnitTest", "--methods", "ridge")
    machine = ("--device", "cpu", "--jobs", "1")
    assert run(*asked, *machine).exit_code == 0
    more = run(*asked, *machine, "--resamples", "2", "--dry-run", "--format", "json")
    [row] = json.loads(more.stdout)["estimates"]
    assert row["runs"] == 1
    assert row["seconds"] > 0
    done = run(*asked, *machine, "--dry-run")
    assert "0 runs" in done.stdout


def test_a_format_without_a_dry_run_is_refused() -> None:
    result = run("bench", "run", "UnitTest", "--format", "json")
    assert result.exit_code == 2
    assert "--format is for --dry-run" in result.stderr


def test_a_fit_on_a_cluster_has_no_estimate() -> None:
    result = run("fit", "UnitTest", "--backend", "dask", "--dry-run")
    assert result.exit_code == 2
    assert "--dry-run is about this machine" in result.stderr
