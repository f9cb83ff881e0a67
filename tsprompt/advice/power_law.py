"""How an error falls with the number of cases: a power law, and where it leads.

The error at n cases is c + a n^-b (Cortes et al. 1994; Hestness et al. 2017): c stays however many
cases there are, and b says how fast the rest goes. What it is asked for is what more cases would
bring: its gain is added to the accuracy that was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.base.seeds import generator

__all__ = ["LEAST_SIZES", "Forecast", "forecast"]

LEAST_SIZES = 4
"""Sizes that a law with three numbers needs, so that one is left to contradict it."""
_DRAWS = 200
"""Draws of the runs, with replacement, for the interval."""
_SPEEDS = np.geomspace(0.05, 4.0, 41)[::-1]
"""Values of b that are tried, the fastest first: of equal fits it promises the least."""
_TINY = 1e-12

Errors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Forecast:
    """What a power law says of a number of cases."""

    size: int
    accuracy: float
    low: float | None = None
    """The interval is over draws of the runs; None where there is one run."""
    high: float | None = None
    based_on: int = 0
    """How many cases the largest size had that the law has seen."""


def forecast(sizes: Sequence[int], accuracy: Errors, size: int, seed: int = 0) -> Forecast | None:
    """Carry a learning curve on to `size` cases; None where it has fewer than `LEAST_SIZES`.

    Parameters
    ----------
    sizes
        (S,) numbers of cases, rising.
    accuracy
        (R, S) of each run at each size.
    """
    if len(sizes) < LEAST_SIZES or not len(accuracy):
        return None
    errors = 1 - accuracy
    value = _carried(sizes, errors.mean(axis=0), size)
    if len(errors) < 2:
        return Forecast(size, value, based_on=sizes[-1])
    rng = generator(seed, "forecast")
    drawn = [
        _carried(sizes, errors[rng.integers(len(errors), size=len(errors))].mean(axis=0), size)
        for _ in range(_DRAWS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Forecast(size, value, float(low), float(high), sizes[-1])


def _carried(sizes: Sequence[int], errors: Errors, size: int) -> float:
    """The last accuracy, and what the law that fits mean errors (S,) best adds up to `size`."""
    from scipy.optimize import nnls

    # Sizes as shares of the largest, so that a is an error too. For each b there is one best a and
    # c that are not below zero.
    shares = np.asarray(sizes, dtype=float) / sizes[-1]
    best, gain = np.inf, 0.0
    for b in _SPEEDS:
        falls = shares**-b
        (a, _), left = nnls(np.stack([falls, np.ones_like(falls)], axis=1), errors)
        if left < best - _TINY:
            best, gain = left, a * (1 - (size / sizes[-1]) ** -b)
    return float(min(1 - errors[-1] + gain, 1.0))
