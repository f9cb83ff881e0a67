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
    value = float(_carried(sizes, errors.mean(axis=0)[None], size)[0])
    if len(errors) < 2:
        return Forecast(size, value, based_on=sizes[-1])
    rng = generator(seed, "forecast")
    drawn = errors[rng.integers(len(errors), size=(_DRAWS, len(errors)))].mean(axis=1)
    low, high = np.quantile(_carried(sizes, drawn, size), [0.025, 0.975])
    return Forecast(size, value, float(low), float(high), sizes[-1])


def _carried(sizes: Sequence[int], errors: Errors, size: int) -> Errors:
    """(D,) the last accuracy of each row of mean errors (D, S), and what the law that fits the row
    best adds up to `size`."""
    # Sizes as shares of the largest, so that a is an error too.
    falls = (np.asarray(sizes, dtype=float) / sizes[-1]) ** -_SPEEDS[:, None]
    a, left = _fitted(falls, errors)
    # The first of equal fits: those that differ by rounding are equal.
    best = np.argmax(left <= left.min(axis=1, keepdims=True) + _TINY, axis=1)
    gains = a * (1 - (size / sizes[-1]) ** -_SPEEDS)
    gain = np.take_along_axis(gains, best[:, None], axis=1)[:, 0]
    return np.asarray(np.minimum(1 - errors[:, -1] + gain, 1.0))


def _fitted(falls: Errors, errors: Errors) -> tuple[Errors, Errors]:
    """For each row (D, S) and each b, the a (D, K) of the least squares in which neither a nor c is
    below zero, and the squares that are left.

    Parameters
    ----------
    falls
        (K, S) n^-b for each b.
    """
    flat = np.broadcast_to(errors.mean(axis=1, keepdims=True), (len(errors), len(falls)))
    mean = falls.mean(axis=1)
    slope = errors @ (falls - mean[:, None]).T / falls.var(axis=1) / falls.shape[1]
    alone = errors @ falls.T / (falls**2).sum(axis=1)
    # Both free; c at zero; a at zero. What is below zero does not count.
    choices = ((slope, flat - slope * mean), (alone, 0 * flat), (0 * flat, flat))
    left = np.stack([_left(falls, errors, a, c) for a, c in choices])
    chosen = left.argmin(axis=0)[None]
    every = np.stack([a for a, _ in choices])
    return (
        np.take_along_axis(every, chosen, axis=0)[0],
        np.take_along_axis(left, chosen, axis=0)[0],
    )


def _left(falls: Errors, errors: Errors, a: Errors, c: Errors) -> Errors:
    """(D, K) squares that a law leaves; infinite where a or c is below zero."""
    apart = errors[:, None] - a[..., None] * falls - c[..., None]
    squares = (apart**2).sum(axis=-1)
    return np.where((a < 0) | (c < 0), np.inf, squares)
