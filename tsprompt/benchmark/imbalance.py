"""Classes that are rare in train: which, how rare, and what of them is found. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Imbalance", "imbalance_of", "recall"]

_MOST = 5
"""Times as many cases as the rarest class has that the most common one may have."""


@dataclass(frozen=True)
class Imbalance:
    """A train whose classes have very different numbers of cases."""

    rarest: Any
    """The label of the class with the fewest cases."""
    cases: int
    """How many it has in train."""
    total: int
    """B, how many there are of all classes."""


def imbalance_of(labels: npt.NDArray[Any]) -> Imbalance | None:
    """That of train's labels (B,), if one class has more than 5 times the cases of another."""
    classes, counts = np.unique(labels, return_counts=True)
    if not len(counts) or counts.max() <= _MOST * counts.min():
        return None
    rarest = int(counts.argmin())
    return Imbalance(classes[rarest].item(), int(counts[rarest]), int(counts.sum()))


def recall(label: Any, truth: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> float | None:
    """The share of a class's cases (B,) that is found; None where there are none."""
    own = truth == label
    return float((predicted[own] == label).mean()) if own.any() else None
