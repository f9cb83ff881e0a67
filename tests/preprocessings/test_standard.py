"""Impute, standardise, resample: by what train says, and by nothing else. Also: cases."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tsprompt.data import Cases, as_cases
from tsprompt.errors import ConfigError, InputError, TspromptNotice
from tsprompt.preprocessings.resample import resample
from tsprompt.preprocessings.standard import Standard

nan = np.nan


def block(*series: list[float]) -> Cases:
    """Cases with one feature."""
    return Cases([np.array(one, np.float32)[:, None] for one in series])


def prepare(train: Cases, cases: Cases, **options: Any) -> list[list[float]]:
    """Feature 0 of prepared cases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        done = Standard(**options).fit(train).transform(cases)
    return [one[:, 0].tolist() for one in done]


# --- standardise ---


def test_mean_and_deviation_are_those_of_train() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal([5, -300], [2, 70], size=(8, 11, 2))
    fitted = Standard().fit(Cases(train))
    done = np.stack(list(fitted.transform(Cases(train))))
    np.testing.assert_allclose(done.mean(axis=(0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose(done.std(axis=(0, 1)), 1, atol=1e-5)
    test = train[:1] * 3 + 1
    expected = (test - train.mean(axis=(0, 1))) / train.std(axis=(0, 1))
    np.testing.assert_allclose(fitted.transform(Cases(test))[0], expected[0], rtol=1e-4, atol=1e-4)


def test_transform_learns_nothing() -> None:
    fitted = Standard().fit(block([1, 2, 3]))
    before = {key: value.copy() for key, value in fitted.state().items()}
    fitted.transform(block([100, -100, 5000]))
    assert fitted.state().keys() == before.keys()
    assert all(np.array_equal(fitted.state()[key], value) for key, value in before.items())


@pytest.mark.parametrize("value", [0.0, 7.0, -1e6, 1e-20, 3.3333])
@pytest.mark.parametrize("standardise", ["train", "series"])
def test_a_constant_feature_becomes_zeros(value: float, standardise: str) -> None:
    constant = block([value] * 5, [value] * 5)
    done = prepare(constant, constant, standardise=standardise)
    np.testing.assert_allclose(done, 0, atol=1e-5)


def test_a_constant_feature_of_train_may_vary_in_test() -> None:
    assert prepare(block([2, 2, 2]), block([2, 3, 4])) == [[0, 1, 2]]


def test_series_mode_standardises_each_case_by_itself() -> None:
    done = prepare(block([0, 9]), block([1, 2, 3], [100, 200, 300]), standardise="series")
    np.testing.assert_allclose(done[0], done[1], atol=1e-6)
    np.testing.assert_allclose(np.mean(done, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.std(done, axis=1), 1, atol=1e-6)


def test_none_leaves_values_as_they_are() -> None:
    assert prepare(block([1, 5]), block([7, 8]), standardise="none") == [[7, 8]]


def test_features_keep_their_own_scale_and_gaps_do_not_count() -> None:
    train = np.array([[[1, 10], [3, nan]], [[nan, 30], [5, np.inf]]])
    fitted = Standard().fit(Cases(train))
    np.testing.assert_allclose(fitted.mean_, [3, 20])
    np.testing.assert_allclose(fitted.scale_, [np.sqrt(8 / 3), 10])


# --- missing values ---


def test_gaps_are_interpolated_inside_and_held_at_the_edges() -> None:
    done = prepare(block([0, 1]), block([nan, 2, nan, nan, 8, nan]), standardise="none")
    np.testing.assert_allclose(done, [[2, 2, 4, 6, 8, 8]], atol=1e-6)


def test_infinities_are_gaps() -> None:
    assert prepare(block([0, 1]), block([1, np.inf, 3, -np.inf]), standardise="none") == [
        [1, 2, 3, 3]
    ]


def test_a_case_without_any_value_gets_the_mean_of_train() -> None:
    train = block([2, 4])
    assert prepare(train, block([nan, nan, nan]), standardise="none") == [[3, 3, 3]]


def test_mean_fills_with_the_mean_of_train() -> None:
    done = prepare(block([2, 4]), block([0, nan, 8]), standardise="none", missing="mean")
    assert done == [[0, 3, 8]]


def test_a_feature_that_train_never_had_is_no_division_by_zero() -> None:
    empty = block([nan, nan], [nan, nan])
    assert prepare(empty, empty) == [[0, 0], [0, 0]]
    assert np.isfinite(prepare(empty, block([1, 2]))).all()


def test_missing_error_names_the_argument_the_count_and_the_first_case() -> None:
    fitted = Standard(missing="error").fit(block([1, 2]))
    with pytest.raises(InputError, match=r"X holds 2 missing .* first in case 1; .*interpolate"):
        fitted.transform(block([1, 2], [nan, nan]))
    assert fitted.transform(block([1, 2]))[0].shape == (2, 1)


def test_filling_is_said() -> None:
    fitted = Standard().fit(block([1, 2, 3]))
    with pytest.warns(TspromptNotice, match="X: 1 missing value in 1 of 2 cases was filled"):
        fitted.transform(block([1, nan, 3], [1, 2, 3]))


def test_what_is_handed_in_is_never_changed() -> None:
    X = np.array([[[1.0], [nan], [3.0]]], np.float32)
    prepare(Cases(X), Cases(X))
    np.testing.assert_array_equal(X.ravel(), [1, nan, 3])


# --- resample ---


@given(
    arrays(
        np.float32,
        st.tuples(st.just(2), st.integers(1, 12), st.just(2)),
        elements=st.floats(-100, 100, width=32),
    ),
    st.integers(2, 20),
)
def test_resampling_keeps_the_ends_and_stays_between_values(
    values: np.ndarray, length: int
) -> None:
    done = resample(values, length)
    assert done.shape == (2, length, 2)
    np.testing.assert_allclose(done[:, [0, -1]], values[:, [0, -1]], rtol=1e-5, atol=1e-4)
    assert (done <= values.max(axis=1, keepdims=True) + 1e-3).all()
    assert (done >= values.min(axis=1, keepdims=True) - 1e-3).all()


def test_resampling_a_line_gives_the_line() -> None:
    line = np.linspace(0, 6, 4, dtype=np.float32)[None, :, None]
    np.testing.assert_allclose(resample(line, 7).ravel(), np.arange(7), atol=1e-6)


def test_length_brings_ragged_cases_to_one_length_in_their_order() -> None:
    done = prepare(block([0, 1]), block([5] * 9, [1] * 2, [3] * 4), standardise="none", length=3)
    assert done == [[5] * 3, [1] * 3, [3] * 3]


# --- options ---


@pytest.mark.parametrize("options", [{"missing": "drop"}, {"standardise": "minmax"}, {"length": 0}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Standard(**options)


# --- cases ---


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12))
def test_groups_hold_each_case_once_at_its_own_place(lengths: list[int]) -> None:
    cases = Cases([np.full((length, 2), i, np.float32) for i, length in enumerate(lengths)])
    seen: dict[int, int] = {}
    for index, values in cases.groups():
        for i, one in zip(index, values, strict=True):
            assert (one == i).all()
            seen[int(i)] = len(one)
    assert [seen[i] for i in range(len(lengths))] == lengths
    assert cases.lengths.tolist() == lengths
    assert cases.equal_length == (len(set(lengths)) == 1)


@given(st.lists(st.integers(2, 6), min_size=1, max_size=10), st.none() | st.integers(2, 7))
def test_preprocessing_keeps_the_order_of_ragged_cases(
    lengths: list[int], length: int | None
) -> None:
    cases = Cases([np.full((n, 1), i, np.float32) for i, n in enumerate(lengths)])
    done = Standard(standardise="none", length=length).fit(cases).transform(cases)
    assert [one[0, 0] for one in done] == list(range(len(lengths)))
    assert done.lengths.tolist() == [length or n for n in lengths]


def test_take_and_slices_keep_the_order_asked_for() -> None:
    ragged, equal = block([0], [1, 1], [2]), block([0], [1], [2])
    for cases in (ragged, equal):
        assert [one[0, 0] for one in cases.take([2, 0])] == [2, 0]
        assert [one[0, 0] for one in cases[1:]] == [1, 2]
        assert len(cases.take([])) == 0


def test_cases_are_taken_as_they_are() -> None:
    cases = block([1, 2])
    assert as_cases(cases) is cases
    assert repr(cases) == "Cases(1 x 2 timesteps x 1 features)"
    assert repr(block([1, 2], [1])) == "Cases(2 x 1 to 2 timesteps x 1 features)"


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(3), r"X has shape \(3,\); it must be"),
        (np.zeros((1, 2, 3, 4)), "it must be"),
        (np.array([[["a"]]]), "not numbers"),
        (np.zeros((2, 3, 1), complex), "not numbers"),
        (np.zeros((0, 3, 1)), "holds no cases"),
        ([], "holds no cases"),
        (np.zeros((2, 0, 1)), r"X\[0\] has no timesteps"),
        (np.zeros((2, 3, 0)), "has no features"),
        ([np.zeros((3, 1)), np.zeros((0, 1))], r"X\[1\] has no timesteps"),
        ([np.zeros((3, 1)), np.zeros((3, 2))], r"X\[1\] has 2 features, X\[0\] has 1"),
        ([1.0, 2.0], r"X\[0\] has shape \(\); .* for one case write \[X\]"),
        ([np.zeros((3, 1)), "text"], r"X\[1\] holds text, not numbers"),
        ([[["a"]]], r"X\[0\] holds text, not numbers"),
        ("text", "X is a text"),
        (3, "X is a int"),
        ({"a": 1}, "X is a dict"),
    ],
)
def test_what_is_no_series_is_refused_with_a_hint(X: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_cases(X)


def test_integers_booleans_lists_and_object_arrays_of_series_are_accepted() -> None:
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros((3, 1)), np.zeros((2, 1))]
    accepted: list[object] = [
        np.zeros((2, 3, 1), int),
        np.zeros((2, 3, 1), bool),
        ragged,
        [[[1], [2]], [[1], [2]]],
    ]
    for X in accepted:
        cases = as_cases(X)
        assert len(cases) == 2
        assert cases.n_features == 1
        assert cases[0].dtype in (np.float32, np.float64)
