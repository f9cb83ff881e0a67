"""Whether sets keep their promise: counted, and only where a model has kept enough cases."""

from __future__ import annotations

import json

import numpy as np

from tsprompt.evaluation import evaluate
from tsprompt.evaluation.promises import promises_of
from tsprompt.model.calibration import Calibration

CLASSES = ["calm", "mild", "wild"]


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cases whose true class is drawn by the very probabilities that are said."""
    draw = np.random.default_rng(seed)
    chances = draw.dirichlet(np.full(3, 0.5), count)
    truth = np.array([draw.choice(3, p=one) for one in chances])
    return chances, truth


def kept(count: int) -> Calibration:
    chances, truth = drawn(count, 1)
    return Calibration.of(truth, chances, seed=0)


def test_sets_keep_their_promise_on_cases_of_the_same_kind() -> None:
    chances, truth = drawn(600, 2)
    made = promises_of(kept(600), chances, truth)
    assert [one.coverage for one in made] == [0.8, 0.9, 0.95]
    for one in made:
        low, high = one.interval
        assert low - 0.03 < one.coverage < high + 0.03
        sets = kept(600).sets(chances, one.coverage)
        assert one.kept == sets[np.arange(600), truth].mean()
        assert one.size == sets.sum(axis=1).mean()
    sizes = [one.size for one in made]
    assert sizes == sorted(sizes)


def test_a_coverage_that_takes_more_cases_is_left_out() -> None:
    chances, truth = drawn(50, 3)
    assert [one.coverage for one in promises_of(kept(10), chances, truth)] == [0.8, 0.9]
    assert promises_of(kept(2), chances, truth) == []


def test_they_are_part_of_an_evaluation() -> None:
    chances, _ = drawn(20, 4)
    truth = np.array(CLASSES)[np.arange(20) % 2]
    made = evaluate(truth, chances, CLASSES, sets_by=kept(100))
    told = json.loads(json.dumps(made.details(), allow_nan=False))["promises"]
    assert len(told) == 3
    assert told[0]["kept_by_class"][2] is None
    assert evaluate(truth, chances, CLASSES).promises == []
