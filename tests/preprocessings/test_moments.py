"""Offsets, units and precisions: what centring and scaling must not lose."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tsprompt.data import Cases
from tsprompt.errors import InputError, TspromptNotice
from tsprompt.preprocessings.moments import moments
from tsprompt.preprocessings.standard import Standard

RNG = np.random.default_rng(0)
PLAIN = RNG.normal(size=(6, 25, 2)) + np.array([3.0, -1.0])


def prepared(values: np.ndarray, **options: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cases = Standard(**options).fit(Cases(values)).transform(Cases(values))
    done = np.stack(list(cases))
    assert done.dtype == np.float32
    return done


@pytest.mark.parametrize("standardise", ["train", "series"])
@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e-7, 1.0, 1e20, 1e38, 1e200, 1e300])
def test_the_unit_of_measurement_does_not_matter(standardise: str, scale: float) -> None:
    expected = prepared(PLAIN, standardise=standardise)
    found = prepared(PLAIN * scale, standardise=standardise)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("standardise", ["train", "series"])
@pytest.mark.parametrize("offset", [1e3, -1e6, 1e9, 1e11])
def test_an_offset_loses_nothing_in_float64(standardise: str, offset: float) -> None:
    expected = prepared(PLAIN, standardise=standardise)
    found = prepared(PLAIN + offset, standardise=standardise)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_whole_numbers_beyond_32_bits_keep_their_differences(dtype: type) -> None:
    steps = RNG.integers(0, 9, size=(4, 20, 1))
    found = prepared((steps + 1_700_000_000_000).astype(dtype))
    np.testing.assert_allclose(found, prepared(steps), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "held"),
    [
        (np.float16, np.float32),
        (np.float32, np.float32),
        (bool, np.float32),
        (np.int16, np.float32),
        (np.int32, np.float64),
        (int, np.float64),
        (float, np.float64),
        (np.longdouble, np.float64),
    ],
)
def test_numbers_are_held_as_precisely_as_they_came(given: type, held: type) -> None:
    values = np.zeros((2, 3, 1), given)
    assert Cases(values).dtype == held
    assert Cases([values[0], values[1, :2]]).dtype == held
    assert Cases([values[0], values[1, :2].astype(np.float32)]).dtype == held


@pytest.mark.parametrize("value", [3.3333, -1e9, 1e-300, 1e300, 0.1])
@pytest.mark.parametrize("count", [2, 100_000])
def test_a_constant_is_constant_whatever_rounding_does(value: float, count: int) -> None:
    mean, scale = moments(Cases(np.full((2, count, 1), value)))
    np.testing.assert_allclose(mean, value, rtol=1e-12)
    assert scale.tolist() == [1.0]
    assert not prepared(np.full((2, 5, 1), value), standardise="series").any()


def test_finite_values_beyond_32_bits_are_not_missing() -> None:
    cases = Cases(PLAIN * 1e200)
    assert cases.missing == 0


def test_one_value_far_beyond_train_stays_finite() -> None:
    fitted = Standard().fit(Cases(PLAIN))
    far = PLAIN.copy()
    far[0, 0] = [1e300, -1e300]
    done = fitted.transform(Cases(far))
    assert np.isfinite(done[0]).all()
    assert done[0][0, 0] > 1e29 > -1e29 > done[0][0, 1]


def test_raw_values_beyond_32_bits_are_refused() -> None:
    cases = Cases(PLAIN * np.array([1.0, 1e60]))
    with pytest.raises(InputError, match=r"case 0 holds values beyond 3\.4e38"):
        Standard(standardise="none").fit(cases).transform(cases)


def test_raw_values_that_32_bits_can_not_tell_apart_are_said() -> None:
    cases = Cases(PLAIN + np.array([0.0, 1e9]), features=["a", "b"])
    with pytest.warns(TspromptNotice, match="feature b varies by less than 32 bits"):
        Standard(standardise="none").fit(cases).transform(cases)


def test_moments_are_those_of_numpy_with_gaps_and_lengths() -> None:
    values = [RNG.normal(5, 3, size=(n, 2)) for n in (3, 9, 4, 9)]
    values[1][2, 0] = np.nan
    values[3][:, 1] = np.inf
    flat = np.concatenate(values)
    flat[~np.isfinite(flat)] = np.nan
    mean, scale = moments(Cases(values))
    np.testing.assert_allclose(mean, np.nanmean(flat, axis=0), rtol=1e-13)
    np.testing.assert_allclose(scale, np.nanstd(flat, axis=0), rtol=1e-13)
