"""Folders of results are read, and what is no record is named."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tsprompt.benchmark import Record, read_record
from tsprompt.errors import ModelFileError
from tsprompt.report import load_results, make_report, report_tables

Make = Callable[..., Record]
Write = Callable[..., Path]


def test_records_lie_in_a_folder_of_their_own_or_in_the_folder_itself(
    make_record: Make, write_records: Write
) -> None:
    folder = write_records([make_record("A", "x", 0.5), make_record("A", "y", 0.75)])
    assert load_results(folder) == dataclasses.replace(
        load_results(folder / "records"), folder=folder
    )
    assert [one.method for one in load_results(folder).records] == ["x", "y"]


def test_models_come_before_ablations_and_baselines(
    make_record: Make, write_records: Write
) -> None:
    kinds = ("baseline", "ablation", "model")
    folder = write_records([make_record("A", kind, 0.5, kind=kind) for kind in kinds])
    assert [one.kind for one in load_results(folder).records] == ["model", "ablation", "baseline"]


DAMAGES: dict[str, Any] = {
    "accuracy": [None, "0.5", 1.5, -0.1, float("nan"), True],
    "dataset": [None, 3, ["A"]],
    "seed": ["0", 0.5, None],
    "kind": ["published", "winner"],
    "fit_seconds": ["fast"],
    "predictions": [["a"]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in DAMAGES.items() for value in values]
)
def test_a_field_that_is_not_what_it_should_be(
    make_record: Make, write_records: Write, name: str, value: object
) -> None:
    folder = write_records([make_record("A", "x", 0.5), make_record("A", "y", 0.5)])
    file = folder / "records" / "00001.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    results = load_results(folder)
    assert [one.method for one in results.records] == ["x"]
    [left_out] = results.left_out
    assert left_out.file == "records/00001.json"
    assert str(folder) not in left_out.reason


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"[]", b'{"a":1}'])
def test_what_is_no_record_is_named(
    make_record: Make, write_records: Write, content: bytes
) -> None:
    folder = write_records([make_record("A", "x", 0.5)])
    (folder / "records" / "bad.json").write_bytes(content)
    (folder / "records" / "folder.json").mkdir()
    (folder / "records" / "gone.json").symlink_to("nowhere.json")
    (folder / "records" / ".new.json.partial-1").write_text("{")
    results = load_results(folder)
    assert len(results.records) == 1
    names = [Path(one.file).name for one in results.left_out]
    assert names == ["bad.json", "folder.json", "gone.json"]
    with pytest.raises(ModelFileError, match="no record"):
        read_record(folder / "records" / "bad.json")


def test_what_the_benchmark_set_aside_is_named_too(make_record: Make, write_records: Write) -> None:
    folder = write_records([make_record("A", "x", 0.5)])
    (folder / "set-aside").mkdir()
    (folder / "set-aside" / "bad.json").write_text("{")
    assert [one.file for one in load_results(folder).left_out] == ["set-aside/bad.json"]


def test_of_the_same_run_the_newest_counts(make_record: Make, write_records: Write) -> None:
    folder = write_records([make_record("A", "x", 0.5), make_record("A", "x", 0.75)])
    os.utime(folder / "records" / "00001.json", (1, 1))
    results = load_results(folder)
    assert [one.accuracy for one in results.records] == [0.5]
    [left_out] = results.left_out
    assert left_out.file == "records/00001.json"
    assert "00000.json" in left_out.reason


def test_no_folder_and_no_records(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no folder"):
        load_results(tmp_path / "none")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ModelFileError, match=r"no record of a run: bad\.json"):
        load_results(tmp_path)


def test_ten_thousand_records_take_seconds(make_record: Make, write_records: Write) -> None:
    from rich.console import Console

    more = {
        "settings": {f"choice{i}": "kernels:steps=32" for i in range(10)},
        "options": {f"part{i}": "name:option=1,other=2,third=3" for i in range(10)},
        "versions": {f"package{i}": "1.2.3" for i in range(8)},
    }
    folder = write_records(
        [
            make_record(f"Set{i}", f"method {j}", 0.5 + (i * j * k) % 7 / 20, seed=k, **more)
            for i in range(100)
            for j in range(10)
            for k in range(10)
        ]
    )
    started = time.process_time()
    report = make_report(load_results(folder))
    assert len(list(report_tables(report, Console(width=120)))) > 3
    assert time.process_time() - started < 5
