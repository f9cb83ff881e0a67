"""All figures of one model on labelled cases, by scikit-learn's measures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsprompt.benchmark.intervals import Interval, mean_recall_interval, share_interval
from tsprompt.benchmark.scores import Scores, check_known, confusion, score
from tsprompt.errors import InputError
from tsprompt.evaluation.calibration import Calibration, calibration_of
from tsprompt.evaluation.mistakes import Mistake, surest_mistakes
from tsprompt.evaluation.promises import Promise, promises_of

if TYPE_CHECKING:
    from tsprompt.model.calibration import Calibration as SetsBy

__all__ = ["ClassFigures", "Evaluation", "evaluate"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ClassFigures:
    """How one class fared. A figure that can't be had is None; `Evaluation.notes` say why."""

    label: str
    cases: int
    """That are of this class."""
    predicted: int
    """That were taken for it."""
    right: int
    """That are of it and were taken for it."""
    precision: float | None
    """`right` of `predicted`; None where no case was taken for it."""
    recall: float | None
    """`right` of `cases`; None where no case is of it."""
    f1: float | None
    """The harmonic mean of both; None where no case is of it, and none was taken for it."""
    auroc: float | None
    """Area under the ROC curve of this class against the rest; None where all cases are of it, or
    none."""
    average_precision: float | None
    """Mean precision over the recalls that thresholds give, of this class against the rest."""


@dataclass(frozen=True)
class Evaluation:
    """What predictions of labelled cases are worth."""

    cases: int
    """B."""
    classes: list[str]
    """(C,) the labels that the model knows, in the order of its probabilities."""
    scores: Scores
    accuracy_interval: Interval
    """95 %, Wilson's; see `tsprompt.benchmark.intervals`."""
    balanced_accuracy_interval: Interval
    """95 %, after Zou, Huang and Zhang (2009)."""
    average_precision: float | None
    """Mean over the classes that have one."""
    brier: float
    """Brier's score: squared errors of the probabilities, summed over classes, mean over cases:
    0 is best, 2 is worst (Brier, 1950)."""
    commonest: str
    """The label that most cases have."""
    commonest_share: float
    """The accuracy of always saying it."""
    by_class: list[ClassFigures]
    confusion: npt.NDArray[np.intp]
    """Cases (C, C): true class by row, predicted class by column."""
    calibration: Calibration
    mistakes: list[Mistake]
    """The surest ones."""
    promises: list[Promise]
    """How sets of classes keep their promise; empty where the model can make none."""
    notes: list[str]
    """Which figures there are not, and why."""

    def row(self) -> dict[str, float | None]:
        """The figures that are single numbers, by name."""
        low, high = self.accuracy_interval
        balanced_low, balanced_high = self.balanced_accuracy_interval
        return {
            **dataclasses.asdict(self.scores),
            "average_precision": self.average_precision,
            "brier": self.brier,
            "calibration_error": self.calibration.error,
            "accuracy_low": low,
            "accuracy_high": high,
            "balanced_accuracy_low": balanced_low,
            "balanced_accuracy_high": balanced_high,
            "commonest_share": self.commonest_share,
        }

    def details(self) -> dict[str, Any]:
        """All else, for JSON."""
        return {
            "classes": self.classes,
            "confusion": self.confusion.tolist(),
            "commonest": self.commonest,
            "by_class": [dataclasses.asdict(one) for one in self.by_class],
            "calibration": dataclasses.asdict(self.calibration),
            "mistakes": [dataclasses.asdict(one) for one in self.mistakes],
            "promises": [dataclasses.asdict(one) for one in self.promises],
            "notes": self.notes,
        }


def evaluate(
    truth: npt.NDArray[Any],
    chances: Floats,
    classes: Sequence[str],
    ids: Sequence[Any] | None = None,
    sets_by: SetsBy | None = None,
) -> Evaluation:
    """Compare class probabilities (B, C) with the true labels (B,).

    Parameters
    ----------
    classes
        (C,) the labels that the model knows, spelt as in `truth`.
    ids
        (B,) names of the cases.
    sets_by
        What the model makes sets of classes by: the `calibration` of a fitted one.

    Raises
    ------
    InputError
        There is no case, or a true label is none of `classes`.
    """
    if not len(truth):
        raise InputError("there is no case to score; give a set, or a part of it, that has some")
    check_known(truth, classes)
    classes = list(classes)
    known = np.array(classes)
    said = chances.argmax(axis=1)
    places = np.array([classes.index(label) for label in truth.tolist()], dtype=np.intp)
    matrix = confusion(truth, known[said], classes)
    by_class = _by_class(places, said, chances, classes)
    counts = matrix.sum(axis=1)
    balanced = mean_recall_interval(matrix.diagonal(), counts)
    assert balanced is not None  # there are cases
    scores = score(truth, known[said], chances, classes)
    return Evaluation(
        cases=len(truth),
        classes=classes,
        scores=scores,
        accuracy_interval=share_interval(scores.accuracy, len(truth)),
        balanced_accuracy_interval=balanced,
        average_precision=_mean([one.average_precision for one in by_class]),
        brier=_brier(places, chances),
        commonest=classes[counts.argmax()],
        commonest_share=float(counts.max() / len(truth)),
        by_class=by_class,
        confusion=matrix,
        calibration=calibration_of(chances.max(axis=1), said == places),
        mistakes=surest_mistakes(places, chances, classes, ids),
        promises=[] if sets_by is None else promises_of(sets_by, chances, places),
        notes=_notes(by_class, len(truth)),
    )


def _by_class(
    places: Places, said: Places, chances: Floats, classes: list[str]
) -> list[ClassFigures]:
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        places, said, labels=range(len(classes)), zero_division=np.nan
    )
    return [
        ClassFigures(
            label=label,
            cases=int((places == i).sum()),
            predicted=int((said == i).sum()),
            right=int(((places == i) & (said == i)).sum()),
            precision=_there(precision[i]),
            recall=_there(recall[i]),
            f1=_there(f1[i]),
            **_ranked(places == i, chances[:, i]),
        )
        for i, label in enumerate(classes)
    ]


def _ranked(own: npt.NDArray[np.bool_], chance: Floats) -> dict[str, float | None]:
    """How well a class's probability sets its own cases before the others."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    if own.all() or not own.any():
        return {"auroc": None, "average_precision": None}
    return {
        "auroc": float(roc_auc_score(own, chance)),
        "average_precision": float(average_precision_score(own, chance)),
    }


def _brier(places: Places, chances: Floats) -> float:
    from sklearn.metrics import brier_score_loss

    labels = range(chances.shape[1])
    return float(brier_score_loss(places, chances, labels=labels, scale_by_half=False))


def _there(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: list[float | None]) -> float | None:
    held = [one for one in values if one is not None]
    return float(np.mean(held)) if held else None


def _notes(by_class: list[ClassFigures], cases: int) -> list[str]:
    """What can't be had, and why."""
    notes = []
    absent = [one.label for one in by_class if not one.cases]
    silent = [one.label for one in by_class if one.cases and not one.predicted]
    if any(one.cases == cases for one in by_class):
        notes.append(
            "All cases are of one class: there is no AUROC and no average precision, which tell "
            "classes apart, and balanced accuracy is the recall of that class."
        )
    elif absent:
        notes.append(
            f"No case is of {_named(absent)}: recall, AUROC and average precision are undefined "
            f"there, and their means are over the other {len(by_class) - len(absent)} classes."
        )
    if silent:
        notes.append(f"No case was taken for {_named(silent)}: precision is undefined there.")
    return notes


def _named(labels: list[str]) -> str:
    shown = ", ".join(labels[:_NAMED])
    return f"{shown} and {len(labels) - _NAMED} more" if len(labels) > _NAMED else shown


_NAMED = 10
"""Classes that a note names."""
