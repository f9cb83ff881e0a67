"""What stands in place of the values that are taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.data import Values
from tsprompt.preprocessings.resample import resample

__all__ = ["REFERENCES", "Fill", "fixed", "interpolated"]

Doubles = npt.NDArray[np.float64]

REFERENCES = {
    "mean": "train's mean",
    "interpolate": "straight lines between the neighbours of what is taken away",
    "other": "the nearest train case of the runner-up class",
}
"""Name and meaning of each."""


@dataclass(frozen=True)
class Fill:
    """Makes series without some of their values."""

    said: str
    """What takes their place, in words."""
    make: Callable[[Values, npt.NDArray[np.bool_]], Doubles]
    """Series (n, T, F) of one series (T, F) and which of its values stay (n, T, F)."""


def fixed(series: Values, said: str) -> Fill:
    """Take the values of another series (T', F), brought to the same length."""

    def make(values: Values, kept: npt.NDArray[np.bool_]) -> Doubles:
        other = resample(series[None], len(values))[0]
        return np.where(kept, values, other).astype(np.float64)

    return Fill(said, make)


def interpolated(mean: Doubles) -> Fill:
    """Connect what is left by straight lines; at the ends, go on with the last value.

    Parameters
    ----------
    mean
        (F,) what a feature is of which nothing is left.
    """

    def make(values: Values, kept: npt.NDArray[np.bool_]) -> Doubles:
        made = np.where(kept, values, np.nan).astype(np.float64)
        time = np.arange(len(values))
        for series, known in zip(made, kept, strict=True):
            for f in np.flatnonzero(~known.all(axis=0)):
                own = known[:, f]
                if own.any():
                    series[~own, f] = np.interp(time[~own], time[own], values[own, f])
                else:
                    series[:, f] = mean[f]
        return made

    return Fill(REFERENCES["interpolate"], make)
