"""Impute, standardise, resample: fitted on train, applied to whatever comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import Part, require, require_one_of
from tsprompt.base.state import numbers
from tsprompt.data import Cases, FloatArray, IntArray, Values
from tsprompt.errors import InputError, counted, notice
from tsprompt.preprocessings.base import Preprocessing, preprocessings
from tsprompt.preprocessings.moments import check_precision, moments, moments_of_each
from tsprompt.preprocessings.resample import resample

__all__ = ["Standard"]

_FARTHEST = 1e30
"""Standard deviations from the mean at the most: sums over a kernel stay within 32 bits."""


@preprocessings.register("standard")
@dataclass
class Standard(Preprocessing):
    """Fill gaps, bring features to one scale, and bring series to one length if asked."""

    missing: str = "interpolate"
    """`interpolate` linearly inside a case (train means where it has no value at all),
    `mean` of the feature over train, or `error`."""
    standardise: str = "train"
    """`train`: per feature by train's mean and standard deviation; `series`: per case and feature
    by its own; `none`."""
    length: int | None = None
    """Resample every case to this many timesteps by linear interpolation; None keeps its own."""

    class State(Part.State):
        """What fitting has learned."""

        mean_: Annotated[np.ndarray, numbers("float64|float32", "F", array=True)]
        scale_: Annotated[np.ndarray, numbers("float64|float32", "F", array=True, above=0)]

    def __post_init__(self) -> None:
        require_one_of(self, "missing", ("interpolate", "mean", "error"))
        require_one_of(self, "standardise", ("train", "series", "none"))
        require(self.length is None or self.length >= 1, "preprocessing: length must be 1 or more")

    def fit(self, cases: Cases) -> Standard:
        """Learn each feature's mean and standard deviation over train, in float64."""
        self.mean_, self.scale_ = moments(cases)
        return self

    def transform(self, cases: Cases, *, argument: str = "X") -> Cases:
        """Cases without gaps, standardised, float32, and of one length if `length` is set.

        Raises
        ------
        InputError
            Values are missing and `missing` is `error`, or they are beyond 32 bits and
            `standardise` is `none`.
        """
        filled = self.fill(cases, argument=argument)
        if self.standardise == "none":
            check_precision(filled, self.mean_, self.scale_, argument)
        groups = ((index, self._scale(values)) for index, values in filled.chunks())
        return self._at_length(groups, cases)

    def complete(self, cases: Cases, *, argument: str = "X") -> Cases:
        """Cases without gaps, and of one length if `length` is set, on the scale and in the
        precision that they came with.

        Raises
        ------
        InputError
            Values are missing and `missing` is `error`.
        """
        return self._at_length(self.fill(cases, argument=argument).groups(), cases)

    def _at_length(self, groups: Iterable[tuple[IntArray, Any]], named: Cases) -> Cases:
        """Groups of prepared cases in the order of the cases that they were made of."""
        if self.length is not None:
            length = self.length
            groups = ((index, resample(values, length)) for index, values in groups)
        return _join(groups, named, alike=named.equal_length or self.length is not None)

    def train_mean(self) -> npt.NDArray[np.float64]:
        """As learned in `fit`."""
        return np.asarray(self.mean_, dtype=np.float64)

    def fill(self, cases: Cases, *, argument: str = "X") -> Cases:
        """The same cases as they came, but for their gaps.

        Raises
        ------
        InputError
            Values are missing and `missing` is `error`.
        """
        count = cases.missing
        if not count:
            return cases
        if self.missing == "error":
            first = next(i for i, one in enumerate(cases) if not np.isfinite(one).all())
            raise InputError(
                f"{argument} holds {count} missing or infinite values, the first in case {first}; "
                'fill them, or choose missing="interpolate" or "mean"'
            )
        with_gaps = sum(not np.isfinite(one).all() for one in cases)
        notice(
            f"{argument}: {counted(count, 'missing value')} in {with_gaps} of "
            f"{counted(len(cases), 'case')} {'was' if count == 1 else 'were'} "
            f"filled ({self.missing})"
        )
        filled = [self._fill(one) for one in cases]
        return Cases(filled, ids=cases.ids, features=cases.features)

    def _fill(self, series: Values) -> Values:
        known = np.isfinite(series)
        if known.all():
            return series
        filled = series.copy()
        time = np.arange(len(series))
        for f in range(series.shape[1]):
            gap = ~known[:, f]
            if not gap.any():
                continue
            if self.missing == "mean" or gap.all():
                filled[gap, f] = self.mean_[f]
            else:
                filled[gap, f] = np.interp(time[gap], time[~gap], series[~gap, f])
        return filled

    def _scale(self, values: Values) -> FloatArray:
        """Values (b, T, F), float32; centred and divided in float64."""
        if self.standardise == "none":
            return np.asarray(values, np.float32)
        scaled = values.astype(np.float64)
        mean, scale = self.mean_, self.scale_
        if self.standardise == "series":
            mean, scale = moments_of_each(scaled, values.dtype)
        with np.errstate(over="ignore"):
            scaled -= mean
            scaled /= scale
        return np.clip(scaled, -_FARTHEST, _FARTHEST).astype(np.float32)


def _join(groups: Iterable[tuple[IntArray, Any]], named: Cases, *, alike: bool) -> Cases:
    """Groups of cases in their order, under the names of `named`; `alike`: all have one length, and
    no group need be held beside the whole."""
    series: Any = [None] * len(named)
    for index, values in groups:
        if alike and len(index) == len(named):
            series = values
        elif alike:
            if isinstance(series, list):
                series = np.empty((len(named), *values.shape[1:]), values.dtype)
            series[index] = values
        else:
            for i, one in zip(index, values, strict=True):
                series[i] = one
    return Cases(series, ids=named.ids, features=named.features)
