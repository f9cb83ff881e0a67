"""What a number of sets can show at all, and how many it takes to see a difference.

The number of sets is that of a paired t test (statsmodels) of the size and the spread that were
seen, divided by 3/pi: the signed-rank test, by which reports compare, needs so many more where
differences are normal (Lehmann 1975).
"""

from __future__ import annotations

import math

__all__ = ["ALPHA", "MIN_SETS", "POWER", "least_p", "most_pairs", "sets_for", "sets_to_see"]

ALPHA = 0.05
"""Differences with a corrected p value below this are called significant."""
MIN_SETS = 3
"""Sets below which nothing is tested, and no spread over them is relied on."""
POWER = 0.8
"""The chance of seeing a difference that is there, for which sets are counted."""
_EFFICIENCY = 3 / math.pi
"""Of the signed-rank test beside the t test: the share of sets with which t does as well."""
_LARGEST = 3.0
"""An effect, in standard deviations, beyond which the fewest sets do that can show anything."""


def least_p(sets: int) -> float:
    """The smallest two-sided p value that a signed-rank test can have: all differences one way."""
    return 2.0 ** (1 - sets)


def sets_for(pairs: int) -> int:
    """The fewest sets with which one of so many pairs can be significant after Holm's correction.

    Holm multiplies the smallest p value by the number of pairs.
    """
    sets = 1
    while pairs * least_p(sets) >= ALPHA:
        sets += 1
    return sets


def most_pairs(sets: int) -> int:
    """The most pairs of which, with so many sets, one can be significant after Holm."""
    return math.ceil(ALPHA / least_p(sets)) - 1


def sets_to_see(mean: float, sd: float) -> float:
    """How many sets it takes to see a difference of one pair, uncorrected, if it is as here.

    Parameters
    ----------
    mean, sd
        Mean and standard deviation over sets of the difference that was seen.

    Returns
    -------
    float
        A whole number, never fewer than can show anything; NaN where there is no difference or no
        spread is known.
    """
    from statsmodels.stats.power import TTestPower

    if not sd > 0 or mean == 0:
        return float("nan")
    effect = min(abs(mean) / sd, _LARGEST)
    paired = TTestPower().solve_power(
        effect_size=effect, alpha=ALPHA, power=POWER, alternative="two-sided"
    )
    return float(max(math.ceil(float(paired) / _EFFICIENCY), sets_for(1)))
