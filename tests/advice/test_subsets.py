"""Parts of train: they lie in one another, keep the classes, and never touch test."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprompt.advice.subsets import (
    class_counts,
    cut,
    few_of_each,
    growing_order,
    held_out,
    least_size,
    spaced_sizes,
)
from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import ConfigError, InputError

COUNTS = st.lists(st.integers(1, 30), min_size=2, max_size=5)


def labels_of(counts: list[int], seed: int = 0) -> Any:
    labels = np.repeat([f"c{number}" for number in range(len(counts))], counts)
    return np.random.default_rng(seed).permutation(labels)


@given(COUNTS, st.integers(0, 5))
def test_an_order_is_stratified_wherever_it_is_cut(counts: list[int], seed: int) -> None:
    labels = labels_of(counts)
    order = growing_order(labels, seed)
    assert sorted(order.tolist()) == list(range(len(labels)))
    whole = Counter(labels.tolist())
    for size in range(least_size(whole), len(labels) + 1):
        part = Counter(labels[order[:size]].tolist())
        for label, count in whole.items():
            assert part[label] >= min(2, count)
            # As many as its share says, but for rounding and for the two of each other class.
            assert part[label] <= size * count / len(labels) + 2
            assert part[label] >= size * count / len(labels) - len(counts) - 1


def test_seeds_draw_other_orders_and_the_same_seed_the_same() -> None:
    labels = labels_of([20, 20])
    first, second = growing_order(labels, 0), growing_order(labels, 1)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, growing_order(labels, 0))


@given(COUNTS)
def test_sizes_double_from_two_of_each_class_to_all(counts: list[int]) -> None:
    whole = class_counts(labels_of(counts), "Set")
    sizes = spaced_sizes(whole)
    assert sizes[-1] == sum(counts)
    assert sizes[0] >= least_size(whole)
    assert sizes[0] // 2 < least_size(whole)
    assert all(later // 2 == earlier for earlier, later in pairwise(sizes))


def test_wanted_sizes_are_taken_in_order_and_all_of_train_joins_them() -> None:
    assert spaced_sizes(Counter(a=10, b=10), [12, 4, 12]) == [4, 12, 20]


@pytest.mark.parametrize("size", [3, 21, 0])
def test_sizes_out_of_range_say_what_there_is(size: int) -> None:
    with pytest.raises(ConfigError, match=r"train has 20, and 4 are the fewest.*from 4 to 20"):
        spaced_sizes(Counter(a=10, b=10), [size])


def test_one_class_is_refused() -> None:
    with pytest.raises(InputError, match=r"Set: train has one class only \(c0\)"):
        class_counts(labels_of([5]), "Set")


@given(st.lists(st.integers(3, 30), min_size=2, max_size=4), st.sampled_from([0.1, 0.25, 0.6]))
def test_what_is_held_out_has_every_class_and_leaves_two_of_each(
    counts: list[int], share: float
) -> None:
    labels = labels_of(counts)
    for learn, held in held_out(labels, 3, share, seed=0):
        assert sorted([*learn, *held]) == list(range(len(labels)))
        assert set(labels[held]) == set(labels)
        assert min(Counter(labels[learn].tolist()).values()) >= 2


def test_a_class_too_small_to_be_held_out_is_named() -> None:
    with pytest.raises(InputError, match=r"class c1 has 2 train cases, .* needs 3 of each"):
        held_out(labels_of([9, 2]), 2, 0.25, seed=0)


def test_groups_stay_on_one_side() -> None:
    labels = np.tile(["a", "b"], 24)
    groups = np.repeat([f"p{number}" for number in range(12)], 4)
    pairs = held_out(labels, 4, 0.25, 0, groups)
    for learn, held in pairs:
        assert not set(groups[learn]) & set(groups[held])
        assert 8 <= len(held) <= 16
    assert len({tuple(held) for _, held in pairs}) > 1
    with pytest.raises(InputError, match="2 groups of train can't be parted"):
        held_out(np.repeat(["a", "b"], 6), 2, 0.5, 0, np.repeat(["p", "q"], 6))


def test_fewer_of_each_class_lie_in_more_of_each() -> None:
    labels = labels_of([12, 15])
    learn = np.arange(3, 27)
    small, large = (few_of_each(labels, learn, few, seed=1) for few in (3, 7))
    assert small is not None
    assert large is not None
    assert set(small) < set(large) <= set(learn)
    assert Counter(labels[small].tolist()) == {"c0": 3, "c1": 3}
    assert few_of_each(labels, learn, 14, seed=1) is None
    assert few_of_each(labels, learn, None, seed=1) is learn


def test_a_part_is_another_run_than_another_part(separable: Any) -> None:
    train = Split(Cases(separable.X), separable.y)
    test = Split(Cases(separable.X_test), separable.y_test)
    dataset = Dataset("Waves", train, test, "data-dir", {"f": "1"})
    first, second = (cut(dataset, "part", np.arange(6) + by) for by in (0, 6))
    judged = cut(dataset, "part", np.arange(6), np.arange(6, 10))
    assert len({str(one.sha256) for one in (first, second, judged)}) == 3
    assert first.test is test
    assert np.array_equal(judged.test.labels, separable.y[6:10])
    assert dataset.sha256 == {"f": "1"}
