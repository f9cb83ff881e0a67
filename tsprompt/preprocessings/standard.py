"""Impute, standardise, resample: fitted on train, applied to whatever comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import require, require_one_of
from tsprompt.data import Cases, FloatArray
from tsprompt.errors import InputError, notice
from tsprompt.preprocessings.base import Preprocessing, preprocessings
from tsprompt.preprocessings.resample import resample

__all__ = ["Standard"]


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

    def __post_init__(self) -> None:
        require_one_of(self, "missing", ("interpolate", "mean", "error"))
        require_one_of(self, "standardise", ("train", "series", "none"))
        require(self.length is None or self.length >= 1, "preprocessing: length must be 1 or more")

    def fit(self, cases: Cases) -> Standard:
        """Learn each feature's mean and standard deviation over train."""
        values = np.concatenate([np.where(np.isfinite(one), one, np.nan) for one in cases])
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        filled = np.where(known, values, 0.0).astype(np.float64)
        mean = filled.sum(axis=0) / count
        variance = np.where(known, (filled - mean) ** 2, 0.0).sum(axis=0) / count
        self.mean_ = mean.astype(np.float32)
        # A feature that never changes carries nothing: it becomes zero, not a division by zero.
        flat = variance <= (1e-6 * np.maximum(np.abs(mean), 1e-30)) ** 2
        self.scale_ = np.where(flat, 1.0, np.sqrt(variance)).astype(np.float32)
        return self

    def transform(self, cases: Cases, *, argument: str = "X") -> Cases:
        """Cases without gaps, standardised, and of one length if `length` is set.

        Raises
        ------
        InputError
            Values are missing and `missing` is `error`.
        """
        count = cases.missing
        if count and self.missing == "error":
            first = next(i for i, one in enumerate(cases) if not np.isfinite(one).all())
            raise InputError(
                f"{argument} holds {count} missing or infinite values, the first in case {first}; "
                'fill them, or choose missing="interpolate" or "mean"'
            )
        if count:
            with_gaps = sum(not np.isfinite(one).all() for one in cases)
            notice(
                f"{argument}: {count} missing values in {with_gaps} of {len(cases)} cases were "
                f"filled ({self.missing})"
            )
            cases = Cases([self._fill(one) for one in cases])
        groups = [(index, self._scale(values)) for index, values in cases.groups()]
        if self.length is not None:
            groups = [(index, resample(values, self.length)) for index, values in groups]
        return _join(groups, len(cases))

    def _fill(self, series: FloatArray) -> FloatArray:
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

    def _scale(self, values: FloatArray) -> FloatArray:
        if self.standardise == "train":
            return (values - self.mean_) / self.scale_
        if self.standardise == "series":
            mean = values.mean(axis=1, keepdims=True)
            scale = values.std(axis=1, keepdims=True)
            return np.asarray((values - mean) / np.where(scale < 1e-6, 1.0, scale), np.float32)
        return values


def _join(groups: list[tuple[npt.NDArray[np.intp], FloatArray]], count: int) -> Cases:
    if len(groups) == 1:
        return Cases(groups[0][1])
    series: list[FloatArray] = [np.empty(0, np.float32)] * count
    for index, values in groups:
        for i, one in zip(index, values, strict=True):
            series[i] = one
    return Cases(series)
