"""Whether sets of classes hold the true one as often as they promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tsprompt.benchmark.intervals import Interval, share_interval
from tsprompt.errors import InputError

if TYPE_CHECKING:
    from tsprompt.model.calibration import Calibration

__all__ = ["COVERAGES", "Promise", "promises_of"]

COVERAGES = (0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Promise:
    """Sets of one coverage, as `tsprompt predict --coverage` gives them."""

    coverage: float
    """The share of cases whose set is to hold the true class."""
    kept: float
    """The share whose set does."""
    interval: Interval
    """Of that share; see `tsprompt.benchmark.intervals`."""
    kept_by_class: list[float | None]
    """(C,) the same of each class; None where it has no case."""
    size: float
    """Mean number of classes in a set."""
    unlike_train: float
    """Share of cases whose set is empty, or holds nearly all classes."""


def promises_of(
    calibration: Calibration, chances: npt.NDArray[np.float64], truth: npt.NDArray[np.intp]
) -> list[Promise]:
    """Make sets by what a model keeps, and hold them against the true classes (B,), for each of
    `COVERAGES` that it has kept enough cases for.

    Parameters
    ----------
    chances
        Class probabilities (B, C).
    """
    from tsprompt.model.calibration import Kept

    found = []
    for coverage in COVERAGES:
        try:
            calibration.check_count(coverage)
        except InputError:
            continue
        kept = Kept.of(calibration.sets(chances, coverage), truth)
        by_class = [None if np.isnan(one) else one for one in kept.by_class]
        ends = share_interval(kept.coverage, len(truth))
        made = Promise(coverage, kept.coverage, ends, by_class, kept.size, kept.unlike_train)
        found.append(made)
    return found
