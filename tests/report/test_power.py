"""What so many sets can show, and how many it takes, against counting and against simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from tsprompt.report.power import ALPHA, least_p, most_pairs, sets_for, sets_to_see
from tsprompt.report.statistics import compare_methods


@pytest.mark.parametrize("sets", [3, 6, 9])
def test_the_least_p_is_that_of_all_signs_alike(sets: int) -> None:
    ranks = np.arange(1, sets + 1)
    sums = [np.dot(ranks, signs) for signs in itertools.product([0, 1], repeat=sets)]
    assert least_p(sets) == pytest.approx(2 * np.mean(np.array(sums) == ranks.sum()))
    assert least_p(sets) == pytest.approx(wilcoxon(ranks, method="exact").pvalue)


def test_the_fewest_sets_and_the_most_pairs_fit_together() -> None:
    assert (sets_for(1), sets_for(55)) == (6, 12)
    assert (most_pairs(5), most_pairs(6), most_pairs(7)) == (0, 1, 3)
    for pairs in range(1, 200):
        sets = sets_for(pairs)
        assert pairs * least_p(sets) < ALPHA <= pairs * least_p(sets - 1)
        assert most_pairs(sets - 1) < pairs <= most_pairs(sets)


def test_the_number_of_sets_shows_the_difference_four_times_of_five() -> None:
    rng = np.random.default_rng(0)
    sets = int(sets_to_see(0.01, 0.02))
    drawn = rng.normal(0.01, 0.02, (2000, sets))
    seen = np.mean(wilcoxon(drawn, axis=1).pvalue < ALPHA)
    assert seen == pytest.approx(0.8, abs=0.03)


def test_no_number_where_there_is_no_difference_or_no_spread() -> None:
    assert np.isnan(sets_to_see(0, 0.1))
    assert np.isnan(sets_to_see(0.1, 0))
    assert np.isnan(sets_to_see(0.1, float("nan")))
    assert sets_to_see(-0.1, 0.02) == sets_to_see(0.1, 0.02)


def test_never_fewer_sets_than_can_show_anything() -> None:
    assert sets_to_see(1, 1e-6) == sets_for(1)
    assert sets_to_see(1e-4, 1) > 1e8


def of(methods: int, sets: int, *, tied: bool = False) -> pd.DataFrame:
    """Each method better than the next on every set; by the same everywhere, if tied."""
    step = np.ones(sets) if tied else np.linspace(1, 2, sets)
    return pd.DataFrame({f"m{k}": 0.9 - 0.01 * k * step for k in range(methods)})


def test_with_six_sets_and_55_pairs_nothing_is_said_to_be_equal() -> None:
    compared = compare_methods(of(11, 6))
    assert len(compared.pairs) == 55
    assert compared.pairs["p_holm"].isna().all()
    assert compared.groups == []
    assert "2/2^6 = 0.0312" in str(compared.unshown)
    assert "times 55 pairs. It takes 12 sets at least, or no more than 1 pair." in str(
        compared.unshown
    )


def test_where_sets_are_enough_there_are_corrected_p_values() -> None:
    compared = compare_methods(of(11, 12))
    assert compared.unshown is None
    assert (compared.pairs["p_holm"] < ALPHA).all()


def test_with_five_sets_not_even_one_pair_and_ties_change_nothing() -> None:
    # The normal approximation, which ties call for, would say 0.043.
    compared = compare_methods(of(2, 5, tied=True))
    assert compared.pairs["p"].tolist() == [least_p(5)]
    assert "It takes 6 sets at least." in str(compared.unshown)
    assert compare_methods(of(2, 6)).unshown is None
