"""Many records in one file: what is reported of them is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tsprompt.benchmark import Record, read_plan
from tsprompt.errors import ModelFileError
from tsprompt.report import load_results, make_report, write_packed

Make = Callable[..., Record]
Write = Callable[..., Path]
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PACKED = sorted(
    one
    for one in (BENCHMARKS / "results").glob("*.json")
    if '"columns": [' in one.read_text("utf-8")
)


def some(make_record: Make) -> list[Record]:
    return [
        make_record(name, method, 0.5 + 0.1 * k + 0.01 * seed, kind=kind, seed=seed, n_test=40)
        for name in ("A", "B", "C")
        for k, (method, kind) in enumerate([("x", "model"), ("y", "ablation"), ("z", "baseline")])
        for seed in (0, 1)
    ]


def test_a_packed_file_reports_what_the_folder_does(
    make_record: Make, write_records: Write, tmp_path: Path
) -> None:
    folder = load_results(write_records(some(make_record)))
    file = write_packed(tmp_path / "packed.json", folder.records, "a command")
    packed = load_results(file)
    assert packed.left_out == []
    assert json.loads(file.read_text("utf-8"))["command"] == "a command"
    ours, theirs = make_report(packed), make_report(folder)
    pd.testing.assert_frame_equal(ours.overall, theirs.overall)
    pd.testing.assert_frame_equal(ours.accuracy, theirs.accuracy)
    pd.testing.assert_frame_equal(ours.summary, theirs.summary)
    assert ours.summary["accuracy_low"].notna().any()


@pytest.mark.parametrize(
    "damage",
    [{"accuracy": "high"}, {"status": "won"}, {"seed": None}, {}],
    ids=["of another type", "unknown", "missing", "a figure too few"],
)
def test_a_run_that_is_no_record_is_named_and_left_out(
    make_record: Make, tmp_path: Path, damage: dict[str, Any]
) -> None:
    file = write_packed(tmp_path / "packed.json", some(make_record), "a command")
    whole = json.loads(file.read_text("utf-8"))
    own = whole["methods"]["y"]
    status = own["always"].pop("status")
    own["columns"].append("status")
    own["runs"] = [[*row, status] for row in own["runs"]]
    for name, value in damage.items():
        own["runs"][3][own["columns"].index(name)] = value
    if not damage:
        own["runs"][3].pop()
    file.write_text(json.dumps(whole), encoding="utf-8")
    found = load_results(file)
    assert len(found.records) == len(some(make_record)) - 1
    assert [one.file for one in found.left_out] == ["run 4 of y"]


def test_a_field_that_is_unknown_is_named(make_record: Make, tmp_path: Path) -> None:
    file = write_packed(tmp_path / "packed.json", some(make_record), "a command")
    whole = json.loads(file.read_text("utf-8"))
    whole["methods"]["y"]["always"]["colour"] = "blue"
    file.write_text(json.dumps(whole), encoding="utf-8")
    found = load_results(file)
    assert {one.method for one in found.records} == {"x", "z"}
    assert "colour" in found.left_out[0].reason


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"versions": {}, "methods": 3}', '{"versions": {}, "methods": {}}', "\udcff"],
)
def test_a_file_without_runs_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "packed.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelFileError, match="holds no"):
        load_results(file)


@pytest.mark.parametrize("file", PACKED, ids=lambda file: file.stem)
def test_the_kept_results_are_those_of_their_plans(file: Path) -> None:
    """Each table of the docs has a plan that makes it, and a file that holds its runs."""
    found = load_results(file)
    assert found.left_out == []
    plan = read_plan(file.parents[1] / f"{file.stem}.toml")
    methods = {record.method for record in found.records}
    made_by_a_script = {"no positions", "spread as words"} if file.stem == "lm_changes" else set()
    assert methods - made_by_a_script == {method.name for method in plan.methods}
    assert {record.dataset for record in found.records} == set(plan.sets)
    kinds = {method.name: method.kind for method in plan.methods}
    for record in found.records:
        assert record.kind == kinds.get(record.method, "ablation")
    pairs = {(record.seed, record.resample) for record in found.records}
    assert {resample for _, resample in pairs} == set(plan.resamples)
    assert all(resample <= seed < resample + plan.seeds for seed, resample in pairs)


def test_every_plan_has_its_results() -> None:
    plans = {one.stem for one in BENCHMARKS.glob("*.toml")}
    # Of `small` docs/examples has the page; `original` has a page of its own.
    assert plans - {one.stem for one in PACKED} == {"small", "original"}
