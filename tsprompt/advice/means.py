"""Means of a few runs, and how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["CONFIDENCE", "Mean", "mean_of"]

CONFIDENCE = 0.95
"""Of all intervals here."""


@dataclass(frozen=True)
class Mean:
    """A mean over runs, its standard error, and its interval by Student's t."""

    value: float
    runs: int
    se: float | None = None
    """None where there is one run only."""
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON and tables."""
        return {
            "mean": self.value,
            "runs": self.runs,
            "se": self.se,
            "low": self.low,
            "high": self.high,
        }


def mean_of(
    values: Sequence[float],
    *,
    overlap: float = 0.0,
    least: float = -math.inf,
    most: float = math.inf,
) -> Mean:
    """The mean of values (R,).

    Parameters
    ----------
    overlap
        Cases held out, over cases that remain, where runs are splits of the same cases: their
        results hang together, and the variance of the mean is (1/R + overlap) times that of the
        values instead of 1/R times (Nadeau and Bengio 2003).
    least, most
        What can be: intervals end there.
    """
    from scipy.stats import t

    numbers = np.asarray(values, dtype=float)
    runs = len(numbers)
    value = float(numbers.mean())
    if runs < 2:
        return Mean(value, runs)
    se = float(numbers.std(ddof=1) * math.sqrt(1 / runs + overlap))
    half = float(t.ppf(0.5 + CONFIDENCE / 2, runs - 1)) * se
    return Mean(value, runs, se, max(value - half, least), min(value + half, most))
