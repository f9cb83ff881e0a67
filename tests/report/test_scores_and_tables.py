"""Records in, tables out."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprompt.benchmark.intervals import share_interval
from tsprompt.benchmark.record import Record
from tsprompt.benchmark.scores import confusion, score
from tsprompt.errors import ConfigError, InputError
from tsprompt.report import OVERALL, comparison_tables, render, summarise


def record(dataset: str, method: str, seed: int, accuracy: float | None, **more: Any) -> Record:
    figures: dict[str, Any] = {
        "status": "ok",
        "kind": "model",
        "macro_f1": accuracy,
        "balanced_accuracy": accuracy,
        "fit_tokens": 10,
        "predict_tokens": 5,
        "fit_seconds": 1.0,
        "predict_seconds": 0.5,
    }
    if accuracy is None:
        figures = {"status": "failed", "kind": "model", "error": "broken"}
    return Record(
        dataset=dataset,
        method=method,
        seed=seed,
        resample=0,
        accuracy=accuracy,
        **{**figures, **more},
    )


RECORDS = [
    record("A", "x", 0, 0.8),
    record("A", "x", 1, 0.6),
    record("A", "y", 0, 0.7),
    record("A", "y", 1, 0.7),
    record("A", "z", 0, 0.9, kind="baseline", fit_tokens=None, predict_tokens=None),
    record("B", "x", 0, 1.0),
    record("B", "x", 1, 0.8),
    record("B", "y", 0, 0.5),
    record("B", "y", 1, 0.5),
    record("B", "z", 0, 0.1, kind="baseline", fit_tokens=None, predict_tokens=None),
]


def row(table: pd.DataFrame, dataset: str, method: str) -> pd.Series:
    [found] = [one for _, one in table.iterrows() if (one.dataset, one.method) == (dataset, method)]
    return found


def test_means_deviations_and_ranks() -> None:
    table = summarise(RECORDS)
    assert table["dataset"].tolist() == ["A"] * 3 + ["B"] * 3 + [OVERALL] * 3
    x = row(table, "A", "x")
    assert x["accuracy"] == pytest.approx(0.7)
    assert x["accuracy_sd"] == pytest.approx(np.std([0.8, 0.6], ddof=1))
    assert x["lm_tokens"] == 15
    # 0.7 and 0.7 share the ranks 2 and 3, however the means were rounded.
    assert [row(table, "A", method)["rank"] for method in "xyz"] == [2.5, 2.5, 1]
    assert row(table, "A", "z")["lm_tokens"] == 0
    assert np.isnan(row(table, "A", "z")["accuracy_sd"])


def test_overall_is_over_sets_first() -> None:
    x = row(summarise(RECORDS), OVERALL, "x")
    assert x["accuracy"] == pytest.approx(0.8)
    # Seed 0: mean of 0.8 and 1.0; seed 1: of 0.6 and 0.8.
    assert x["accuracy_sd"] == pytest.approx(np.std([0.9, 0.7], ddof=1))
    assert x["rank"] == pytest.approx((2.5 + 1) / 2)
    assert x["runs"] == 4


def test_what_failed_has_no_figures() -> None:
    table = summarise([*RECORDS[:-1], record("B", "z", 0, None, kind="baseline")])
    for dataset in ("B", OVERALL):
        z = row(table, dataset, "z")
        assert np.isnan(z["accuracy"])
        assert np.isnan(z["rank"])
        assert z["failed"] == 1
        assert z["error"] == "broken"
    assert row(table, "B", "x")["rank"] == 1
    assert not np.isnan(row(table, OVERALL, "x")["accuracy"])


def test_intervals_are_of_one_test_or_of_its_parts_together() -> None:
    runs = [
        dataclasses.replace(record("A", "x", 0, accuracy), resample=resample, n_test=20)
        for resample, accuracy in enumerate((0.8, 0.6))
    ]
    drawn, parted = summarise(runs), summarise(runs, parts=True)
    ends = ["accuracy_low", "accuracy_high"]
    assert row(drawn, "A", "x")[ends].tolist() == pytest.approx(share_interval(0.7, 20))
    assert row(parted, "A", "x")[ends].tolist() == pytest.approx(share_interval(0.7, 40))
    assert row(drawn, OVERALL, "x")[ends].isna().all()
    # What is published does not say how many cases it is of.
    assert row(summarise(RECORDS), "A", "x")[ends].isna().all()


def test_all_failed_and_none_at_all() -> None:
    assert summarise([record("A", "x", 0, None)])["accuracy"].isna().all()
    assert summarise([]).empty


def test_formats_hold_the_same() -> None:
    table = summarise(RECORDS)
    rows = json.loads(render(table, "json", more=[1]))
    assert rows["more"] == [1]
    assert rows["rows"][0]["accuracy"] == table["accuracy"][0]
    assert rows["rows"][2]["accuracy_sd"] is None
    read = pd.read_csv(io.StringIO(render(table, "csv")))
    np.testing.assert_allclose(read["accuracy"], table["accuracy"])
    lines = render(table, "markdown").splitlines()
    assert len(lines) == 2 + len(table)
    assert {line.count("|") for line in lines} == {len(table.columns) + 1}
    with pytest.raises(ConfigError, match="json, csv, markdown"):
        render(table, "xml")


def test_markdown_escapes_what_would_end_a_cell() -> None:
    assert render(pd.DataFrame({"a": ["x|y\nz"]}), "markdown").endswith("| x\\|y\\\\nz |\n")


def test_terminal_tables() -> None:
    from rich.console import Console

    console = Console(width=120, file=io.StringIO(), record=True)
    records = [*RECORDS[:-1], record("B", "z [bold]", 0, None, kind="baseline")]
    for table in comparison_tables(summarise(records)):
        console.print(table)
    text = console.export_text()
    for said in ("A", "B", "Overall, 2 sets", "0.700 ± 0.141", "failed", "z [bold]", "2.5"):
        assert said in text
    assert len(list(comparison_tables(summarise(RECORDS[:5])))) == 1  # one set has no overall


def test_reports_need_no_torch() -> None:
    code = "import sys, tsprompt.report; assert 'torch' not in sys.modules"
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=60)


def test_scores() -> None:
    truth, predicted = np.array(["a", "a", "b", "b"]), np.array(["a", "b", "b", "b"])
    chances = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.2, 0.8]])
    scores = score(truth, predicted, chances, ["a", "b"])
    assert scores.accuracy == scores.balanced_accuracy == pytest.approx(0.75)
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0.8) / 2)
    assert scores.log_loss == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.8]).mean())
    assert confusion(truth, predicted, ["a", "b"]).tolist() == [[1, 1], [0, 2]]
    assert score(truth, predicted).log_loss is None


def test_scores_of_a_part_of_the_classes() -> None:
    truth, predicted = np.array(["a", "a"]), np.array(["a", "c"])
    chances = np.array([[0.6, 0.2, 0.2], [0.2, 0.2, 0.6]])
    assert score(truth, predicted, chances, ["a", "b", "c"]).balanced_accuracy == 0.5
    with pytest.raises(InputError, match="never saw: 'z'"):
        score(np.array(["z", "a"]), predicted, chances, ["a", "b", "c"])
