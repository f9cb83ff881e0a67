"""Does the language model do anything here? A model's twin without it, judged on the same cases of
train."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tsprompt.model.fitted import Fitted

__all__ = ["Lighter", "lighter"]

FEWEST = 20
"""Cases below which nothing is claimed: one of them would be more than a twentieth of accuracy."""


@dataclass(frozen=True)
class Lighter:
    """Validation of a model and of its twin without a language model."""

    model: float
    """Accuracy of the model on cases of train that it had not learned from."""
    twin: float
    """Of the twin, on the same cases."""
    difference: float
    """Model minus twin."""
    se: float
    """Standard error of the difference over these cases, which are paired."""
    cases: int
    kind: str
    """How the cases were left out."""

    @property
    def level(self) -> bool:
        """Whether the twin validates as well: no lower than by the standard error. One case is
        just as much, so the last digit must not decide."""
        return self.difference <= self.se * (1 + 1e-9)

    def as_dict(self) -> dict[str, Any]:
        """For JSON and for the model's file."""
        return {**asdict(self), "level": self.level}


def lighter(model: Fitted, twin: Fitted) -> Lighter | None:
    """Compare what both said of cases that they had not learned from; None where they have not
    judged themselves on the same cases, 20 or more."""
    if model.judged is None or twin.judged is None:
        return None
    _, own, other = np.intersect1d(
        model.judged.rows, twin.judged.rows, assume_unique=True, return_indices=True
    )
    labels = model.judged.labels[own]
    if len(own) < FEWEST or not np.array_equal(labels, twin.judged.labels[other]):
        return None
    right = model.judged.chances[own].argmax(axis=1) == labels
    light = twin.judged.chances[other].argmax(axis=1) == labels
    apart = right.astype(float) - light
    return Lighter(
        model=float(right.mean()),
        twin=float(light.mean()),
        difference=float(apart.mean()),
        se=float(apart.std(ddof=1) / math.sqrt(len(apart))),
        cases=len(apart),
        kind=model.design.validation_kind(),
    )
