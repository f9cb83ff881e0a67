"""What is said of cases that were not learned from: by this a fitted classifier is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.heads.lesson import Labels

__all__ = ["Judgement"]


@dataclass(frozen=True)
class Judgement:
    """Cases with their labels, and the class probabilities that they have where they are left out
    or held out."""

    rows: Labels
    """(n,) where the cases stand in a `Lesson`: below B in train, from B on in the development
    sample."""
    labels: Labels
    """(n,) class numbers."""
    chances: npt.NDArray[np.float64]
    """(n, C)"""
