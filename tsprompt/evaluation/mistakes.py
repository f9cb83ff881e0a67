"""The wrong answers that a model was surest of: wrong labels, odd cases, or a blind spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_MISTAKES", "Mistake", "surest_mistakes"]

MOST_MISTAKES = 12


@dataclass(frozen=True)
class Mistake:
    """A case that was taken for another class."""

    case: int
    """Its place among the cases, from 1 on, as `tsprompt predict` counts them."""
    id: Any
    """Its name; None where cases have none."""
    truth: str
    predicted: str
    probability: float
    """Of the predicted class."""
    probability_of_truth: float


def surest_mistakes(
    truth: npt.NDArray[np.intp],
    chances: npt.NDArray[np.float64],
    classes: Sequence[str],
    ids: Sequence[Any] | None = None,
) -> list[Mistake]:
    """The wrong answers, those with the largest probability first, `MOST_MISTAKES` at most.

    Parameters
    ----------
    truth
        (B,) places of the true labels in `classes`.
    chances
        Class probabilities (B, C).
    """
    said = chances.argmax(axis=1)
    wrong = np.flatnonzero(said != truth)
    order = wrong[np.argsort(-chances[wrong, said[wrong]], kind="stable")][:MOST_MISTAKES]
    return [
        Mistake(
            case=case + 1,
            id=None if ids is None else ids[case],
            truth=classes[truth[case]],
            predicted=classes[said[case]],
            probability=float(chances[case, said[case]]),
            probability_of_truth=float(chances[case, truth[case]]),
        )
        for case in order.tolist()
    ]
