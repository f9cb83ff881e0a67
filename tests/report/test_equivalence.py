"""The Bayesian signed-rank test, against what can be worked out by hand and against baycomp."""

from __future__ import annotations

import numpy as np
import pytest

from tsprompt.report.equivalence import practical_chances

BAYCOMP = [
    ([0.021, 0.0132, -0.004, 0.0, 0.031, 0.0083, 0.0104, -0.012, 0.022, 0.005], 0.01),
    ([0.0121, -0.0303, 0.0042, 0.0207, 0.0185, -0.0011, 0.0094], 0.005),
    ([-0.04, 0.031, -0.052, -0.0175, 0.0222, -0.0613, 0.0017, -0.0291], 0.02),
]
"""Differences, none of them upon an edge, and regions."""
CHANCES = [(0.405, 0.595, 0.0), (0.792, 0.077, 0.131), (0.003, 0.611, 0.386)]
"""What baycomp 1.0.3 said of them (50,000 samples, random_state=0): better, level, worse."""


def test_one_set_by_hand() -> None:
    # Of the weights (w0, w1) of the made-up set and the one that is far better, better has
    # 1 - w0^2 and level w0^2. Better wins where w0 < 2^(-1/2); w0 is Beta(1/2, 1): 2^(-1/4).
    better, level, worse = practical_chances(np.array([0.5]))
    assert better == pytest.approx(2**-0.25, abs=0.01)
    assert (better + level, worse) == (pytest.approx(1), 0)


def test_two_sets_that_are_opposite_share_what_is_not_level() -> None:
    better, level, worse = practical_chances(np.array([0.3, -0.3]), 0.01)
    assert better == pytest.approx(worse, abs=0.01)
    assert better + level + worse == pytest.approx(1)


@pytest.mark.parametrize(
    ("differences", "rope", "expected"),
    [(*asked, chances) for asked, chances in zip(BAYCOMP, CHANCES, strict=True)],
)
def test_the_chances_are_those_of_baycomp(
    differences: list[float], rope: float, expected: tuple[float, float, float]
) -> None:
    found = practical_chances(np.array(differences), rope)
    # Both draw 50,000 times: four standard errors of a difference of 0.0032 at most.
    np.testing.assert_allclose(found, expected, atol=0.013)


def test_turned_round_better_is_worse_and_a_seed_gives_one_answer() -> None:
    differences = np.array(BAYCOMP[1][0])
    there, back = practical_chances(differences), practical_chances(-differences)
    np.testing.assert_allclose(there, back[::-1])
    assert there != practical_chances(differences, seed=1)


def test_equal_methods_are_level() -> None:
    assert practical_chances(np.zeros(5)) == (0, 1, 0)
    # Without a region there is nothing to be level in: both share all.
    better, _, worse = practical_chances(np.zeros(5), rope=0)
    assert better == pytest.approx(worse)


def test_many_small_differences_are_level_and_many_large_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    assert practical_chances(rng.normal(0.002, 0.004, 40))[1] > 0.99
    assert practical_chances(rng.normal(0.05, 0.02, 40))[0] > 0.99
