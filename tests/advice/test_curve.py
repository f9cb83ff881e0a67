"""Curves: which runs they take, where they are called flat, and what they say of more cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from tsprompt.advice import CurvePlan, Mean, Point, curve_words, forecast, mean_of, power_law
from tsprompt.advice.curve import flat_from
from tsprompt.benchmark import Method, Record, baseline, run_cells
from tsprompt.data import Dataset
from tsprompt.errors import ConfigError

MODEL, RIDGE = Method("default", "model"), baseline("ridge")


def plan_of(dataset: Dataset, **more: Any) -> CurvePlan:
    return CurvePlan.of(lambda _: dataset, [MODEL, RIDGE], **more)


def records_of(
    plan: CurvePlan, make: Callable[..., Record], accuracy: Callable[[int, int], float | None]
) -> list[Record]:
    sizes = {plan.load(cell).name: len(plan.load(cell).train) for cell in plan.cells()}
    return [
        make(
            cell.dataset,
            cell.method.name,
            accuracy(sizes[cell.dataset], cell.seed),
            seed=cell.seed,
            kind=cell.method.kind,
        )
        for cell in plan.cells()
    ]


def test_runs_are_nested_and_what_no_seed_changes_is_run_once(waves_set: Dataset) -> None:
    plan = plan_of(waves_set, seeds=3)
    assert plan.sizes == (6, 12, 24)
    cells = plan.cells()
    assert len(cells) == 2 * 3 * 3 - 2
    by_seed: dict[int, list[set[bytes]]] = {}
    for cell in cells:
        if cell.method is MODEL:
            part = plan.load(cell)
            by_seed.setdefault(cell.seed, []).append({one.tobytes() for one in part.train.cases})
            assert part.test is waves_set.test
    for parts in by_seed.values():
        assert [len(one) for one in parts] == [6, 12, 24]
        assert parts[0] < parts[1] < parts[2]
    assert by_seed[0][0] != by_seed[1][0]


def test_a_curve_of_real_runs(waves_set: Dataset) -> None:
    plan = CurvePlan.of(lambda _: waves_set, [RIDGE], seeds=2)
    curve = plan.read(list(run_cells(plan.cells(), plan.load)))
    assert [(one.size, one.accuracy.runs) for one in curve.points] == [(6, 2), (12, 2), (24, 1)]
    assert curve.points[-1].accuracy.low is None
    assert (curve.n_train, curve.n_test, curve.n_classes) == (24, 15, 3)
    assert curve.endings[0].more is None
    assert "takes 4 sizes" in curve_words(curve)[-1]
    assert curve.failures == []


def test_runs_that_are_missing_or_failed_are_left_out(
    waves_set: Dataset, make_record: Callable[..., Record]
) -> None:
    plan = plan_of(waves_set, seeds=2)
    records = records_of(plan, make_record, lambda size, seed: None if size == 24 else 0.5)
    curve = plan.read(records[:-1])
    assert {one.size for one in curve.points} == {6, 12}
    assert curve.endings == []
    assert len(curve.failures) == 2
    assert "broken" in curve.failures[0]
    assert plan.read([]).points == []


def test_seeds_with_splits_of_their_own_ask_for_them(waves_set: Dataset) -> None:
    asked = []

    def draw(number: int) -> Dataset:
        asked.append(number)
        return waves_set

    plan = CurvePlan.of(draw, [RIDGE], seeds=2, splits=True)
    cells = plan.cells()
    assert len(cells) == 6
    assert [cell.resample for cell in cells] == [cell.seed for cell in cells]
    plan.load(cells[-1])
    assert asked == [0, 1]


def test_seeds_out_of_range_are_refused(waves_set: Dataset) -> None:
    with pytest.raises(ConfigError, match="seeds is 0"):
        plan_of(waves_set, seeds=0)


def points(*values: tuple[int, float, float]) -> list[Point]:
    return [Point("m", "model", size, Mean(value, 5, se)) for size, value, se in values]


@pytest.mark.parametrize(
    ("curve", "found"),
    [
        (points((5, 0.5, 0.01), (10, 0.9, 0.03), (20, 0.92, 0.01)), 10),
        (points((5, 0.5, 0.01), (10, 0.8, 0.03), (20, 0.92, 0.01)), None),
        # A dip behind a size that was good enough: it is not flat from there.
        (points((5, 0.92, 0.0), (10, 0.5, 0.0), (20, 0.92, 0.0)), None),
        (points((5, 0.93, 0.0), (10, 0.92, 0.0), (20, 0.92, 0.0)), 5),
        # Less than a case of test.
        (points((5, 0.5, 0.0), (10, 0.915, 0.0), (20, 0.92, 0.0)), 10),
    ],
)
def test_flat_is_where_nothing_more_can_be_told(curve: list[Point], found: int | None) -> None:
    assert flat_from(curve, n_test=100) == found


def test_a_power_law_is_found_again() -> None:
    sizes = [8, 16, 32, 64, 128]
    noise = np.random.default_rng(0).normal(scale=0.004, size=(6, 5))
    accuracy = 1 - (0.05 + 0.9 / np.sqrt(sizes)) + noise
    more = forecast(sizes, accuracy, 256)
    assert more is not None
    assert more.accuracy == pytest.approx(1 - 0.05 - 0.9 / 16, abs=0.01)
    assert more.low is not None
    assert more.high is not None
    assert more.low < more.accuracy < more.high
    assert more.based_on == 128


@pytest.mark.parametrize("accuracy", [1.0, 0.5, 0.0])
def test_a_flat_curve_stays_as_it_is(accuracy: float) -> None:
    more = forecast([4, 8, 16, 32], np.full((3, 4), accuracy), 64)
    assert more is not None
    assert more.accuracy == pytest.approx(accuracy, abs=1e-6)


def test_a_falling_curve_promises_nothing() -> None:
    falling = forecast([4, 8, 16, 32], np.array([[0.9, 0.8, 0.7, 0.6]]), 64)
    assert falling is not None
    assert falling.accuracy == pytest.approx(0.6, abs=1e-6)
    assert falling.low is None


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_the_law_is_the_one_of_least_squares(errors: list[float]) -> None:
    """As scipy finds it for each b."""
    sizes = [6, 12, 25, 50]
    best, gain = np.inf, 0.0
    for b in power_law._SPEEDS:
        falls = (np.array(sizes) / sizes[-1]) ** -b
        (a, _), left = nnls(np.stack([falls, np.ones(4)], axis=1), np.array(errors))
        if left**2 < best - 1e-9:
            best, gain = left**2, a * (1 - 2.0**-b)
    more = forecast(sizes, 1 - np.array([errors]), 100)
    assert more is not None
    assert more.accuracy == pytest.approx(min(1 - errors[-1] + gain, 1.0), abs=0.02)


def test_three_sizes_are_too_few_for_a_law() -> None:
    assert forecast([4, 8, 16], np.ones((3, 3)), 32) is None


def test_words_say_where_it_flattens_and_how_good_the_law_was(
    waves_set: Dataset, make_record: Callable[..., Record]
) -> None:
    plan = plan_of(waves_set, seeds=3, sizes=[6, 9, 12, 18])
    law = lambda size, seed: 1 - 0.1 - 1.2 / size + 0.001 * seed  # noqa: E731
    rising = curve_words(plan.read(records_of(plan, make_record, law)))
    assert rising[0].startswith("default: flat from 12 cases on")  # a case of test is 0.067
    assert "Twice as many, 48: 0.87" in rising[0]
    assert "which from 18 cases would have said 0.85" in rising[0]
    steep = records_of(plan, make_record, lambda size, seed: size / 30)
    assert curve_words(plan.read(steep))[0].startswith("default: still rises (0.800 at all 24)")


def test_intervals_are_students() -> None:
    mean = mean_of([0.8, 0.9, 1.0], most=1.0)
    assert mean.value == pytest.approx(0.9)
    assert mean.se == pytest.approx(0.1 / np.sqrt(3))
    assert mean.low == pytest.approx(0.9 - 4.3027 * 0.1 / np.sqrt(3), abs=1e-4)
    assert mean.high == 1.0
    assert mean_of([0.5]).low is None
    overlapping = mean_of([0.8, 0.9, 1.0], overlap=1 / 3)
    assert overlapping.se == pytest.approx(0.1 * np.sqrt(2 / 3))
