"""Whether a model is right as often as it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.benchmark.intervals import Interval, share_interval

__all__ = ["MOST_BINS", "Bin", "Calibration", "calibration_of"]

MOST_BINS = 10
_FEWEST_CASES = 15
"""Cases of a bin, where there are so many: with fewer its accuracy says next to nothing."""
_DRAWS = 500
_SEED = 0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Cases whose answers were about equally sure."""

    cases: int
    least: float
    """The smallest probability of an answer among them."""
    most: float
    confidence: float
    """The mean probability of their answers."""
    accuracy: float
    """The share of them that is right."""
    interval: Interval
    """Of that share; see `tsprompt.benchmark.intervals`."""


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities of the answers are from the share of them that is right."""

    bins: list[Bin]
    """Of equally many cases, from the least sure to the surest; equal probabilities share one."""
    error: float
    """The expected calibration error (Naeini et al., 2015): the mean of |confidence - accuracy|
    over the bins, each weighted by its cases."""
    error_by_chance: float
    """What 95 % of test sets of this size would stay under if the probabilities were exact: even
    then no bin would be right as often as it says (after Bröcker and Smith, 2007)."""
    confidence: float
    """The mean probability of all answers."""


def calibration_of(confidence: Floats, right: npt.NDArray[np.bool_]) -> Calibration:
    """Compare the probability of each answer (B,) with whether it is right (B,)."""
    number = _bins(confidence)
    cases = np.bincount(number)
    told = np.bincount(number, confidence) / cases
    found = np.bincount(number, right) / cases
    draw = np.random.default_rng(_SEED)
    errors = [
        _error(told, np.bincount(number, draw.random(len(number)) < confidence) / cases, cases)
        for _ in range(_DRAWS)
    ]
    return Calibration(
        bins=[
            _bin(confidence[number == i], float(found[i]), int(count))
            for i, count in enumerate(cases.tolist())
        ],
        error=_error(told, found, cases),
        error_by_chance=float(np.quantile(errors, 0.95)),
        confidence=float(confidence.mean()),
    )


def _bins(confidence: Floats) -> npt.NDArray[np.intp]:
    """The bin of each case (B,), from 0 on and none empty; equal confidences are in the same."""
    count = len(confidence)
    bins = min(MOST_BINS, max(1, count // _FEWEST_CASES))
    place = np.searchsorted(np.sort(confidence), confidence)
    return np.unique(place * bins // count, return_inverse=True)[1].astype(np.intp)


def _error(told: Floats, found: Floats, cases: npt.NDArray[Any]) -> float:
    return float(np.average(np.abs(told - found), weights=cases))


def _bin(confidence: Floats, accuracy: float, cases: int) -> Bin:
    return Bin(
        cases=cases,
        least=float(confidence.min()),
        most=float(confidence.max()),
        confidence=float(confidence.mean()),
        accuracy=accuracy,
        interval=share_interval(accuracy, cases),
    )
