"""Who was taken for whom, as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ConfusionTable", "confusion_table"]

_CLASSES = 20
"""Up to so many classes there is a matrix; of more, only the most frequent confusions."""
_CONFUSIONS = 12


@dataclass(frozen=True)
class ConfusionTable:
    """How often cases of one class were taken for another; see `confusion` in `tables.html`."""

    classes: list[str]
    counts: list[list[int]]
    """True class by row, predicted class by column; empty where there are too many classes."""
    shares: list[list[float]]
    """The same as shares of the true class."""
    frequent: list[tuple[str, str, int]]
    """The most frequent confusions (true, predicted, cases), where there are too many classes."""


def confusion_table(classes: Sequence[str], matrix: npt.NDArray[np.integer[Any]]) -> ConfusionTable:
    """What is shown of cases (C, C), true class by row, predicted class by column."""
    classes = list(classes)
    if len(classes) <= _CLASSES:
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        return ConfusionTable(classes, matrix.tolist(), shares.tolist(), [])
    wrong = matrix * ~np.eye(len(classes), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(place, len(classes)) for place in order.tolist()]
    frequent = [(classes[i], classes[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]
    return ConfusionTable(classes, [], [], frequent)
