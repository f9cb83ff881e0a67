"""Cases carry the names of cases and features through all that is done with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import InputError
from tsprompt.preprocessings.standard import Standard


def named(ragged: bool = False) -> Cases:
    values = [np.full((4 + (i if ragged else 0), 2), i, np.float32) for i in range(4)]
    return Cases(values, ids=["a", 7, "c", None], features=["x", "y"])


@pytest.mark.parametrize("ragged", [False, True])
def test_names_go_with_their_cases(ragged: bool) -> None:
    cases = named(ragged)
    assert cases.ids == ("a", 7, "c", None)
    assert cases.take([2, 0]).ids == ("c", "a")
    assert cases[1:].ids == (7, "c", None)
    assert cases[1:].features == cases.map(lambda values: values * 2).features == ("x", "y")
    assert cases.map(lambda values: values[:, :, :1]).features is None
    assert cases.map(lambda values: values[:, :, :1]).ids == cases.ids
    assert cases.take([]).ids == ()
    prepared = Standard().fit(cases).transform(cases)
    assert (prepared.ids, prepared.features) == (cases.ids, cases.features)


def test_without_names_there_are_none() -> None:
    cases = Cases(np.zeros((2, 3, 1)))
    assert cases.ids is None
    assert cases[:1].features is None


def test_joined_keeps_what_all_have() -> None:
    first, other = named(), named(ragged=True)
    both = Cases.joined(first, other)
    assert both.ids == first.ids + other.ids  # type: ignore[operator]
    assert both.features == ("x", "y")
    bare = Cases(np.zeros((1, 4, 2)))
    assert Cases.joined(first, bare).ids is None
    assert Cases.joined(first, bare).features is None
    assert Cases.joined(first, bare).dtype == np.float64


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"ids": ["a"]}, "1 name for 2 cases"),
        ({"features": ["a"]}, "1 name for 2 features"),
        ({"features": ["a", "a"]}, "two features are called 'a'"),
    ],
)
def test_names_that_do_not_fit_are_refused(names: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cases(np.zeros((2, 3, 2)), **names)


def test_what_is_masked_is_missing() -> None:
    values = np.ma.array(np.ones((2, 3, 1)), mask=False)
    values[0, 1] = np.ma.masked
    whole = np.ma.array(np.ones((2, 3, 1), int), mask=values.mask)
    for cases in (Cases(values), Cases(whole), Cases([values[0], values[1, :2]])):
        assert cases.missing == 1
        assert np.isnan(cases[0][1, 0])


def test_a_data_set_knows_its_features() -> None:
    split = Split(named(), np.array(list("abab")))
    assert Dataset("X", split, split, "data-dir").features == ("x", "y")
