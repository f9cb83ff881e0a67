"""Files of predictions and accuracies, as tsml, tsml-eval and aeon have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt.benchmark import (
    Predictions,
    Record,
    read_predictions,
    write_accuracies,
    write_predictions,
)
from tsprompt.errors import ModelFileError

CLASSES = ["calm, mild", "böse", "wild"]
CHANCES = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [1 / 3, 1 / 3, 1 / 3], [0.0, 0.0, 1.0]])
PREDICTIONS = Predictions(
    truth=np.array(CLASSES)[[0, 1, 0, 2]],
    predicted=np.array(CLASSES)[[0, 2, 0, 2]],
    chances=CHANCES,
    classes=CLASSES,
)


def record(method: str = "shared, no LM", **more: Any) -> Record:
    about = {"dataset": "Waves", "kind": "ablation", "seed": 0, "resample": 2, "accuracy": 0.75}
    return Record(method=method, status="ok", fit_seconds=1.5, **{**about, **more})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_predictions(tmp_path / "new" / "testResample2.csv", record(), PREDICTIONS)


def test_what_is_written_is_read(file: Path) -> None:
    truth, predicted, chances, classes = read_predictions(file)
    assert truth.tolist() == PREDICTIONS.truth.tolist()
    assert predicted.tolist() == PREDICTIONS.predicted.tolist()
    np.testing.assert_allclose(chances, CHANCES, rtol=1e-8)
    assert classes == CLASSES


def test_the_layout_is_that_of_tsml(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].split(",")[:5] == ["Waves", "shared - no LM", "TEST", "2", "SECONDS"]
    assert lines[2] == "0.75,1.5,-1,-1,-1,3,N/A,-1,-1"
    assert lines[4] == "1,2,,0.1,0.3,0.6"
    assert len(lines) == 3 + len(CHANCES)


def test_files_of_others_have_numbers_for_classes(tmp_path: Path) -> None:
    file = tmp_path / "testResample0.csv"
    file.write_text("A,B,TEST,0,MILLISECONDS,\nNo info\n0.5,1,1,-1,-1,2\n0,1,,0.4,0.6\n1,1,,0,1\n")
    truth, predicted, _, classes = read_predictions(file)
    assert (truth.tolist(), predicted.tolist(), classes) == (["0", "1"], ["1", "1"], ["0", "1"])


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (1, '{"classes": ["a", "b"]}'),
        (1, '{"classes": [1, 2, 3]}'),
        (1, "{"),
        (2, "no figures"),
        (3, "0,3,,0.1,0.2,0.7"),
        (3, "0,1,,0.1,0.2"),
        (3, "?,1,,0.1,0.2,0.7"),
        (3, "0,1,,0.1,,0.7"),
    ],
)
def test_damaged_files_are_refused(file: Path, number: int, line: str) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines[:number], line, *lines[number + 1 : 4]]))
    with pytest.raises(ModelFileError, match="no predictions"):
        read_predictions(file)


def test_a_file_that_is_absent_or_cut_off_is_refused(file: Path) -> None:
    file.write_text("Waves,x\n")
    for path in (file, file.parent, file.with_name("none.csv")):
        with pytest.raises(ModelFileError, match="no predictions"):
            read_predictions(path)


def test_tsml_eval_reads_predictions(file: Path) -> None:
    storage = pytest.importorskip("tsml_eval.evaluation.storage")
    results = storage.ClassifierResults().load_from_file(str(file))
    assert (results.n_classes, results.resample_id, results.accuracy) == (3, 2, 0.75)
    assert results.class_labels.tolist() == [0, 1, 0, 2]


RECORDS = [
    record("ROCKET", resample=0, accuracy=0.5),
    record("ROCKET", resample=0, seed=1, accuracy=1.0),
    record("ROCKET", resample=1, accuracy=0.25),
    record("ROCKET", dataset="Other", resample=0, accuracy=0.125),
    record("shared, no LM", resample=0, accuracy=0.5),
]


def test_accuracies_have_a_row_for_each_set(tmp_path: Path) -> None:
    rocket, shared = write_accuracies(tmp_path, RECORDS)
    assert rocket.read_text() == "Resamples:,0,1\nOther,0.125,\nWaves,0.75,0.25\n"
    assert shared.name == "shared, no LM_accuracy.csv"


@pytest.mark.extra("baselines")
def test_aeon_reads_accuracies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from aeon.benchmarking import results_loaders as loaders

    write_accuracies(tmp_path, RECORDS)
    # aeon wants to know the names of methods.
    monkeypatch.setitem(loaders.NAME_ALIASES, "shared, no LM", [])
    path = str(tmp_path)
    read = loaders.get_estimator_results(["ROCKET", "shared, no LM"], ["Waves"], path=path)
    assert read == {"ROCKET": {"Waves": 0.75}, "shared, no LM": {"Waves": 0.5}}
    [means] = loaders.get_estimator_results_as_array("ROCKET", ["Waves"], None, path=path)[0]
    assert means.tolist() == [0.5]
