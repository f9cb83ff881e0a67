"""What Python holds series in: arrays, lists, tensors, masks, frames; and what is no number."""

from __future__ import annotations

import warnings
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tsprompt.data import as_cases
from tsprompt.errors import ConfigError, InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 7, 3))
NAMES = ["a", "b", "c"]


def multiindex() -> pd.DataFrame:
    index = pd.MultiIndex.from_product([["p", "q", "r", "s"], range(7)], names=["who", "time"])
    return pd.DataFrame(X.reshape(-1, 3), index=index, columns=NAMES)


def frames() -> list[pd.DataFrame]:
    return [pd.DataFrame(one, columns=NAMES) for one in X]


def nested() -> pd.DataFrame:
    cells = {name: [pd.Series(one[:, f]) for one in X] for f, name in enumerate(NAMES)}
    return pd.DataFrame(cells, index=["p", "q", "r", "s"])


@pytest.mark.parametrize(
    "given",
    [
        X,
        X.tolist(),
        list(X),
        tuple(X),
        X.astype(object),
        torch.tensor(X),
        torch.tensor(X, requires_grad=True),
        [torch.tensor(one, requires_grad=True) for one in X],
        [[torch.tensor(row) for row in one] for one in X],
        multiindex(),
        frames(),
        tuple(frames()),
        nested(),
    ],
)
def test_one_panel_in_many_forms(given: Any) -> None:
    cases = as_cases(given)
    np.testing.assert_array_equal(np.stack(list(cases)), X)
    assert cases.features in (None, ("a", "b", "c"))


def test_half_precision_tensors_are_taken() -> None:
    values = torch.ones(2, 5, 1, dtype=torch.bfloat16)
    assert as_cases(values).dtype == np.float32


@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, list, torch.tensor, pd.DataFrame])
def test_two_dimensions_are_one_feature(form: Any) -> None:
    cases = as_cases(form(X[:, :, 0]))
    np.testing.assert_array_equal(np.stack(list(cases)), X[:, :, :1])


def test_series_of_different_lengths_are_one_feature() -> None:
    cases = as_cases([pd.Series([1.0, 2.0]), pd.Series([3.0, 4.0, 5.0])])
    assert cases.lengths.tolist() == [2, 3]
    assert as_cases([[1, 2], [3, 4, 5]]).lengths.tolist() == [2, 3]


def test_channels_first_by_axes() -> None:
    flipped = X.transpose(0, 2, 1)
    for given in (flipped, list(flipped), torch.tensor(flipped), flipped.tolist()):
        np.testing.assert_array_equal(np.stack(list(as_cases(given, axes="BFT"))), X)
    np.testing.assert_array_equal(np.stack(list(as_cases(frames(), axes="BFT"))), X)
    with pytest.raises(ConfigError, match="axes='NTF' is not one of: BTF, BFT"):
        as_cases(X, axes="NTF")


def test_frames_name_cases_and_features() -> None:
    assert as_cases(multiindex()).ids == as_cases(nested()).ids == ("p", "q", "r", "s")
    assert as_cases(frames()).ids is None
    wide = pd.DataFrame(X[:, :, 0], columns=[f"t{i}" for i in range(7)], index=list("pqrs"))
    assert as_cases(wide).ids == ("p", "q", "r", "s")
    assert as_cases(wide).times == tuple(f"t{i}" for i in range(7))


def test_frames_of_a_list_are_put_in_the_order_of_the_first() -> None:
    given = frames()
    given[2] = given[2][["c", "a", "b"]]
    np.testing.assert_array_equal(np.stack(list(as_cases(given))), X)
    given[1] = given[1].rename(columns={"b": "z"})
    with pytest.raises(InputError, match=r"X\[1\]: column 'b' is missing; there are: a, z, c"):
        as_cases(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (multiindex().iloc[::-1], "looks like sktime's pd-multiindex, but is none: .*sorted"),
        (pd.concat([multiindex(), multiindex()]), "but is none"),
        (multiindex().assign(label="x"), r"X, column 'label'\[0\] is 'x', not a number"),
        (
            nested().assign(d=[pd.Series([1.0])] * 4),
            r"case 0: its features have different lengths \(1, 7\)",
        ),
        (pd.Series([1.0, 2.0]), "single pandas Series"),
        (pd.DataFrame({"a": [1.0], "label": ["x"]}), "column 'label'.* is 'x', not a number"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns called 'a'"),
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}), "'when' holds dates"),
    ],
)
def test_frames_that_can_not_be_used(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_cases(given)


def test_nullable_columns_hold_gaps() -> None:
    table = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": [1.0, 2.0, 3.0]})
    assert as_cases([table]).missing == 1


# --- what is missing ---


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA, pd.NaT, float("inf")])
def test_all_spellings_of_a_gap(gap: Any) -> None:
    assert as_cases([[[1.0], [gap]], [[2.0], [3.0]]]).missing == 1
    assert as_cases(np.array([[[1.0], [gap]]], dtype=object)).missing == 1


def test_masks_are_gaps_in_all_forms() -> None:
    masked = np.ma.array(X, mask=X > 1)
    count = int((X > 1).sum())
    assert count > 2
    rows = [[masked[i, t] for t in range(7)] for i in range(4)]
    for given in (masked, list(masked), rows, np.ma.array(X.round().astype(int), mask=X > 1)):
        assert as_cases(given).missing == count


# --- what is no number ---


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (1j, "complex"),
        ("1", "text"),
        (b"1", "text"),
        (np.datetime64("2020-01-01"), "dates"),
        (np.timedelta64(3, "s"), "spans of time"),
    ],
)
def test_what_is_no_number_is_refused_in_every_form(value: Any, what: str) -> None:
    array = np.full((2, 5, 1), value)
    for given in (array, list(array), array.tolist(), array.astype(object)):
        with pytest.raises(InputError, match=rf"X.*({what}|not a number|not numbers)"):
            as_cases(given)


@pytest.mark.parametrize("value", ["x", 1j, date(2020, 1, 1), [1], {}])
def test_one_stranger_among_numbers_is_named(value: Any) -> None:
    series = np.ones((5, 1), dtype=object)
    series[3, 0] = value
    with pytest.raises(InputError, match=r"X\[1\]\[3\]\[0\] is .*, not a number"):
        as_cases([np.ones((5, 1)), series])


def test_numbers_of_other_types_are_numbers() -> None:
    assert as_cases([[[Decimal("1.5")], [True], [np.float16(2)]]])[0].ravel().tolist() == [
        1.5,
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[1, 2], [[3], [4]], [[[5]]]], r"X\[2\] has shape \(1, 1, 1\)"),
        ([[[1], [2, 3]]], r"X\[0\] does not hold numbers"),
        ("1,2,3", "X is a text"),
        (iter([1]), "X is a list_iterator"),
        (np.float64(3), r"X has shape \(\)"),
    ],
)
def test_what_has_no_shape_of_series(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_cases(given)


def test_nothing_is_said_about_what_is_plain() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (X, torch.tensor(X), multiindex(), frames(), nested()):
            as_cases(given)
