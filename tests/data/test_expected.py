"""Cases to be predicted are aligned with train by name; what is implausible is said once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprompt.data import Cases, Expected, as_cases, tell_of_train
from tsprompt.errors import InputError, TspromptNotice

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 40, 2))


def told(call: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(issubclass(one.category, TspromptNotice) for one in caught)
    return [str(one.message) for one in caught]


def frames(*names: str) -> list[pd.DataFrame]:
    table = [pd.DataFrame({"a": one[:, 0], "b": one[:, 1], "c": 0.0}) for one in X]
    return [one[list(names)] for one in table]


TRAIN = Expected.of(as_cases(frames("a", "b")))


def test_another_order_of_columns_is_put_right() -> None:
    moved = TRAIN.aligned(as_cases(frames("b", "a")))
    np.testing.assert_array_equal(np.stack(list(moved)), X)
    assert moved.features == ("a", "b")
    same = as_cases(frames("a", "b"))
    assert TRAIN.aligned(same) is same


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a",), "column 'b' is missing; there are: a"),
        (("a", "c"), "column 'b' is missing"),
        (("a", "b", "c"), "column 'c' is unknown; the columns are: a, b"),
    ],
)
def test_missing_and_unknown_columns_are_named(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TRAIN.aligned(as_cases(frames(*names)))


def test_without_names_the_position_counts() -> None:
    np.testing.assert_array_equal(TRAIN.aligned(as_cases(X))[0], X[0])
    counted = as_cases([pd.DataFrame(one) for one in X])
    assert TRAIN.aligned(counted) is counted
    assert Expected.of(counted).aligned(as_cases(frames("b", "a"))).features == ("b", "a")


def test_columns_of_timesteps_are_aligned_too() -> None:
    names = [f"t{i}" for i in range(40)]
    wide = pd.DataFrame(X[:, :, 0], columns=names)
    train = Expected.of(as_cases(wide))
    moved = train.aligned(as_cases(wide[names[::-1]]))
    np.testing.assert_array_equal(np.stack(list(moved))[:, :, 0], X[:, :, 0])
    assert train.aligned(as_cases(wide[names[:30]])).lengths.max() == 30
    with pytest.raises(InputError, match="column 't7' is missing"):
        train.aligned(as_cases(wide.drop(columns="t7")))
    with pytest.raises(InputError, match="column 'x' is unknown"):
        train.aligned(as_cases(wide.assign(x=1.0)[["x", *names]]))


def test_axes_that_seem_to_be_swapped() -> None:
    with pytest.raises(InputError, match=r"40 features, .* 2; its axes seem .*transpose"):
        TRAIN.aligned(as_cases(X.transpose(0, 2, 1)))
    with pytest.raises(InputError, match="give the same features in the same order"):
        TRAIN.aligned(as_cases(RNG.normal(size=(2, 9, 3))))


# --- notices ---


@pytest.mark.parametrize(
    "values", [X.transpose(0, 2, 1), X[:, None, :, 0], X[:, :30].transpose(0, 2, 1)]
)
def test_the_axis_trap_is_named(values: np.ndarray) -> None:
    (said,) = told(lambda: tell_of_train(as_cases(values), by_position=True))
    assert "X was read as (cases, timesteps, features)" in said
    assert said.endswith('use axes="BFT"')
    assert not told(lambda: tell_of_train(as_cases(values), by_position=False))
    assert not told(lambda: tell_of_train(as_cases(values, axes="BFT"), by_position=True))


def test_axes_that_were_named_wrongly() -> None:
    cases = as_cases(X, axes="BFT")
    (said,) = told(lambda: tell_of_train(cases, by_position=True, axes="BFT"))
    assert said.endswith('use axes="BTF"')


@pytest.mark.parametrize("value", [0.0, 7.5, np.nan])
def test_a_constant_feature_is_named(value: float) -> None:
    values = X.copy()
    values[:, :, 1] = value
    cases = Cases(values, features=["x", "still"])
    (said,) = told(lambda: tell_of_train(cases, by_position=True))
    assert said.startswith("X: feature still has one value, or none, in all of train")


def test_cases_without_a_value_are_named_in_train_and_later() -> None:
    values = X.copy()
    values[3] = np.nan
    cases = Cases(values, ids=list("vwxyz"))
    for call in (
        lambda: tell_of_train(cases, by_position=True),
        lambda: TRAIN.tell(cases),
    ):
        (said,) = told(call)
        assert "1 of 5 cases have no value at all" in said
        assert "case 3 (y)" in said


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([19, 40], "1 of 2 series are far shorter or longer than those of train .40 timesteps."),
        ([81, 81], "2 of 2 series are far .* case 0 has 81, case 1 has 81"),
        ([39, 39], "all series have 39 timesteps and those of train 40: is a label or an id"),
        ([41], "all series have 41 timesteps"),
        ([20, 80], None),
        ([39, 40], None),
        ([38, 38], None),
    ],
)
def test_implausible_lengths(lengths: list[int], message: str | None) -> None:
    cases = as_cases([RNG.normal(size=(n, 2)) for n in lengths])
    said = told(lambda: TRAIN.tell(cases))
    if message is None:
        assert not said
    else:
        with pytest.warns(TspromptNotice, match=message):
            TRAIN.tell(cases)
        assert len(said) == 1


def test_models_that_kept_no_lengths_say_nothing() -> None:
    assert not told(lambda: Expected(2).tell(as_cases(X[:, :3])))
