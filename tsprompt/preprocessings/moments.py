"""Means and standard deviations in float64: no offset and no unit of measurement loses a digit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases
from tsprompt.errors import InputError, notice

__all__ = ["check_precision", "moments", "moments_of_each"]

Doubles = npt.NDArray[np.float64]

_ROUNDING = 8
"""A feature that varies by less than so many units in the last place of its mean is constant."""


def moments(cases: Cases) -> tuple[Doubles, Doubles]:
    """Mean and standard deviation (F,) of each feature over all cases; gaps do not count.

    A feature that never changes carries nothing: its deviation is given as 1, so that it becomes
    zero, and is no division by zero.
    """
    exponent = _exponent(cases)
    count = np.zeros(cases.n_features)
    total = np.zeros(cases.n_features)
    for values, known in _chunks(cases, exponent):
        count += known.sum(axis=(0, 1))
        total += np.where(known, values, 0.0).sum(axis=(0, 1))
    count = np.maximum(count, 1)
    mean = total / count
    shift = np.zeros(cases.n_features)
    square = np.zeros(cases.n_features)
    for values, known in _chunks(cases, exponent):
        apart = np.where(known, values - mean, 0.0)
        shift += apart.sum(axis=(0, 1))
        square += (apart**2).sum(axis=(0, 1))
    # What rounding left in the mean: with it the square of a constant's deviations is nought.
    left = shift / count
    mean, variance = mean + left, np.maximum(square / count - left**2, 0.0)
    spread = np.sqrt(variance)
    scale = np.where(_constant(mean, spread, cases.dtype), 1.0, np.ldexp(spread, exponent))
    return np.ldexp(mean, exponent), scale


def moments_of_each(values: Doubles, dtype: np.dtype[Any]) -> tuple[Doubles, Doubles]:
    """The same (b, 1, F) of each case of values (b, T, F) without gaps; `dtype` is the precision
    that they came with."""
    largest = np.abs(values).max(axis=1, keepdims=True)
    exponent = np.frexp(largest)[1]
    small = np.ldexp(values, -exponent)
    mean = small.mean(axis=1, keepdims=True)
    mean += (small - mean).mean(axis=1, keepdims=True)
    spread = small.std(axis=1, keepdims=True)
    scale = np.where(_constant(mean, spread, dtype), 1.0, np.ldexp(spread, exponent))
    return np.ldexp(mean, exponent), scale


def check_precision(cases: Cases, mean: Doubles, scale: Doubles, argument: str) -> None:
    """See that values can be read as they are, in float32.

    Raises
    ------
    InputError
        Some are beyond it.
    """
    if cases.dtype == np.float32:
        return
    most = float(np.finfo(np.float32).max)
    far = next((i for i, one in enumerate(cases) if (np.abs(one) > most).any()), None)
    if far is not None:
        raise InputError(
            f"{argument}: case {far} holds values beyond 3.4e38, which the model can't read as "
            'they are; choose standardise="train" or "series", or rescale them'
        )
    lost = np.flatnonzero(scale < np.finfo(np.float32).eps * np.abs(mean))
    if len(lost):
        named = ", ".join((cases.features or list(map(str, range(len(mean)))))[f] for f in lost)
        notice(
            f"{argument}: feature {named} varies by less than 32 bits can tell at its size, and "
            'is read as it is; choose standardise="train" or "series"'
        )


def _constant(mean: Doubles, spread: Doubles, dtype: np.dtype[Any]) -> npt.NDArray[np.bool_]:
    return np.asarray(spread <= _ROUNDING * np.finfo(dtype).eps * np.abs(mean))


def _exponent(cases: Cases) -> npt.NDArray[np.intp]:
    """(F,) powers of two by which each feature is divided, so that no square overflows."""
    largest = np.zeros(cases.n_features)
    for _, values in cases.chunks():
        sizes = np.where(np.isfinite(values), np.abs(values), 0.0)
        largest = np.maximum(largest, sizes.max(axis=(0, 1)))
    return np.asarray(np.frexp(largest)[1])


def _chunks(
    cases: Cases, exponent: npt.NDArray[np.intp]
) -> Iterator[tuple[Doubles, npt.NDArray[np.bool_]]]:
    """Values (b, T, F) divided by 2**exponent, and which of them are known."""
    for _, values in cases.chunks():
        yield np.ldexp(values.astype(np.float64), -exponent), np.isfinite(values)
