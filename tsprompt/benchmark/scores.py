"""How good predictions are, by scikit-learn's measures. Needs no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.errors import InputError, counted

__all__ = ["Scores", "check_known", "confusion", "score"]

Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Scores:
    """Measures of one set of predictions."""

    accuracy: float
    balanced_accuracy: float
    """Mean over classes of the share of their cases that is found."""
    macro_f1: float
    """Mean over classes of the F1 measure."""
    auroc: float | None
    """Area under the ROC curve, one class against the rest, mean over classes; None without
    probabilities, or with one class only."""
    log_loss: float | None
    """Mean negative logarithm of the true class's probability; None without probabilities."""


def score(
    truth: Labels,
    predicted: Labels,
    chances: npt.NDArray[np.float64] | None = None,
    classes: Sequence[str] = (),
) -> Scores:
    """Compare predicted labels (B,) with the true ones (B,).

    Parameters
    ----------
    chances
        Class probabilities (B, C) in the order of `classes`, or None if there are none.
    classes
        The labels that the model knows.

    Raises
    ------
    InputError
        A true label is none of `classes`.
    """
    from sklearn import metrics

    if chances is not None:
        check_known(truth, classes)
    kept = sorted(set(truth.tolist()))
    return Scores(
        accuracy=float(metrics.accuracy_score(truth, predicted)),
        # As balanced_accuracy_score does it, but silent where a class has no case in `truth`.
        balanced_accuracy=float(
            metrics.recall_score(truth, predicted, labels=kept, average="macro", zero_division=0)
        ),
        macro_f1=float(metrics.f1_score(truth, predicted, average="macro", zero_division=0)),
        auroc=None if chances is None else _auroc(truth, chances, classes),
        log_loss=None if chances is None else _log_loss(truth, chances, classes),
    )


def _log_loss(truth: Labels, chances: npt.NDArray[np.float64], classes: Sequence[str]) -> float:
    from sklearn.metrics import log_loss

    # By places: scikit-learn sorts labels, and numbers that have become text sort otherwise.
    places = {label: place for place, label in enumerate(classes)}
    known = [places[label] for label in truth.tolist()]
    return float(log_loss(known, chances, labels=range(len(classes))))


def _auroc(truth: Labels, chances: npt.NDArray[np.float64], classes: Sequence[str]) -> float | None:
    from sklearn.metrics import roc_auc_score

    areas = [
        roc_auc_score(truth == label, chances[:, number])
        for number, label in enumerate(classes)
        if 0 < np.count_nonzero(truth == label) < len(truth)
    ]
    return float(np.mean(areas)) if areas else None


def confusion(truth: Labels, predicted: Labels, classes: Sequence[str]) -> npt.NDArray[np.intp]:
    """Cases (C, C): true class by row, predicted class by column."""
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(truth, predicted, labels=list(classes)), dtype=np.intp)


def check_known(truth: Labels, classes: Sequence[str]) -> None:
    """See that a model knows all labels.

    Raises
    ------
    InputError
        A label is none of `classes`.
    """
    unknown = Counter(label for label in truth.tolist() if label not in set(classes))
    if unknown:
        counts = ", ".join(
            f"{label!r} ({counted(count, 'case')})" for label, count in unknown.items()
        )
        raise InputError(
            f"labels that the model never saw: {counts}; it knows {', '.join(map(str, classes))}: "
            "evaluate it on the set that it was fitted on, or fit another"
        )
