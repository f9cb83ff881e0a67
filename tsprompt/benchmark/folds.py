"""An out-of-fold figure: each case is predicted by a model that never saw it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tsprompt.benchmark.measure import Machine, Predictions, build, measure
from tsprompt.benchmark.plan import Cell
from tsprompt.benchmark.record import Record
from tsprompt.benchmark.scores import score
from tsprompt.data import Dataset

__all__ = ["measure_folds"]

_SUMMED = ("fit_seconds", "predict_seconds", "lm_seconds", "fit_tokens", "predict_tokens")
_MEANS = ("train_accuracy", "validation_accuracy")


def measure_folds(
    cell: Cell,
    folds: Sequence[Dataset],
    machine: Machine,
    stage: Callable[[str], None] = lambda _: None,
) -> tuple[Record, Predictions]:
    """Fit on each fold's train, read its test, and score all tests together.

    Parameters
    ----------
    folds
        Splits of the same cases, each of which is in test once.

    Returns
    -------
    The record, whose `report` has the accuracy of each fold and their standard deviation, and the
    predictions of all cases, fold by fold.
    """
    runs = []
    for number, fold in enumerate(folds, start=1):
        told = partial(_tell, stage, f"part {number} of {len(folds)}")
        runs.append(measure(build(cell, machine), cell, fold, told))
    records = [record for record, _ in runs]
    whole = _joined([predictions for _, predictions in runs])
    scores = score(whole.truth, whole.predicted, whole.chances, whole.classes)
    accuracies = [record.accuracy or 0.0 for record in records]
    record = dataclasses.replace(
        records[0],
        **dataclasses.asdict(scores),
        **{name: _of(records, name, sum) for name in _SUMMED},
        **{name: _of(records, name, np.mean) for name in _MEANS},
        n_train=len(whole.truth),
        n_test=len(whole.truth),
        notes=list(dict.fromkeys(note for one in records for note in one.notes)),
        report={
            "folds": " ".join(f"{one:.4f}" for one in accuracies),
            "fold sd": float(np.std(accuracies, ddof=1)),
        },
    )
    return record, whole


def _tell(stage: Callable[[str], None], part: str, what: str) -> None:
    stage(f"{part}, {what}")


def _joined(parts: Sequence[Predictions]) -> Predictions:
    """All predictions, their probabilities in one order of classes."""
    classes = sorted({label for part in parts for label in part.classes})
    chances = []
    for part in parts:
        own = np.zeros((len(part.chances), len(classes)))
        own[:, [classes.index(label) for label in part.classes]] = part.chances
        chances.append(own)
    return Predictions(
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate(chances),
        classes,
    )


def _of(records: Sequence[Record], name: str, how: Callable[[list[Any]], Any]) -> Any:
    """One figure of all records; None where one of them lacks it."""
    held = [getattr(record, name) for record in records]
    return None if None in held else type(held[0])(how(held))
