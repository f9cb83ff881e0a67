"""Whether answers are right as often as they say: bins, error, and what chance alone makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprompt.evaluation.calibration import MOST_BINS, calibration_of


def test_bins_hold_equally_many_cases() -> None:
    draw = np.random.default_rng(0)
    made = calibration_of(draw.uniform(0.5, 1, 200), np.ones(200, bool))
    assert [one.cases for one in made.bins] == [20] * MOST_BINS
    assert all(a.most < b.least for a, b in zip(made.bins, made.bins[1:], strict=False))


def test_the_error_is_that_of_the_bins() -> None:
    confidence = np.repeat([0.6, 0.9], 30)
    right = np.concatenate([np.arange(30) < 24, np.arange(30) < 27])  # 0.8 and 0.9
    made = calibration_of(confidence, right)
    assert [one.accuracy for one in made.bins] == [0.8, 0.9]
    assert made.error == pytest.approx(0.1)
    assert made.confidence == pytest.approx(0.75)


def test_exact_probabilities_stay_under_what_chance_makes_and_false_ones_do_not() -> None:
    draw = np.random.default_rng(1)
    under = []
    for _ in range(40):
        confidence = draw.uniform(0.5, 1, 150)
        made = calibration_of(confidence, draw.random(150) < confidence)
        under.append(made.error <= made.error_by_chance)
    assert np.mean(under) > 0.85
    sure = calibration_of(np.full(150, 0.99), draw.random(150) < 0.8)
    assert sure.error > 2 * sure.error_by_chance


@given(st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=80))
def test_every_case_is_in_one_bin_and_equal_ones_in_the_same(values: list[float]) -> None:
    confidence = np.array(values)
    made = calibration_of(confidence, confidence > 0.6)
    assert sum(one.cases for one in made.bins) == len(values)
    assert all(a.most < b.least for a, b in zip(made.bins, made.bins[1:], strict=False))
    assert 0 <= made.error <= 1
