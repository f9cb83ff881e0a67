"""How far a share of test's cases can be trusted. Needs no torch.

An interval tells what other test cases of the same kind would change, and nothing else: not what
another train, another seed or other conditions would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tsprompt.benchmark.record import Record

__all__ = ["LEVEL", "Interval", "accuracy_interval", "mean_recall_interval", "share_interval"]

LEVEL = 0.95
"""How many of such intervals hold the true value."""

Interval = tuple[float, float]


def share_interval(share: float, cases: int) -> Interval:
    """Wilson's score interval (Wilson, 1927) of a share of cases.

    It keeps inside 0 and 1, and its level with few cases. A mean of several runs on the same cases
    has the interval of one of them.
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(share * cases, cases, alpha=1 - LEVEL, method="wilson")
    return float(low), float(high)


def accuracy_interval(record: Record) -> Interval | None:
    """That of a run's accuracy on test; None where there is none, or no count of cases."""
    if record.accuracy is None or not record.n_test:
        return None
    return share_interval(record.accuracy, record.n_test)


def mean_recall_interval(
    found: npt.NDArray[np.integer], cases: npt.NDArray[np.integer]
) -> Interval | None:
    """The interval of balanced accuracy (Zou, Huang and Zhang, 2009, from Wilson's of each class).

    Parameters
    ----------
    found, cases
        (C,) how many cases of each class were found, and how many there are. Classes without a
        case count for nothing; None where all are so.
    """
    from statsmodels.stats.proportion import proportion_confint

    found, cases = found[cases > 0], cases[cases > 0]
    if not len(cases):
        return None
    recall = found / cases
    low, high = proportion_confint(found, cases, alpha=1 - LEVEL, method="wilson")
    mean, count = float(recall.mean()), len(recall)
    under = float(np.sqrt(((recall - low) ** 2).sum())) / count
    over = float(np.sqrt(((high - recall) ** 2).sum())) / count
    return max(0.0, mean - under), min(1.0, mean + over)
