"""Figures against counts by hand; what can't be had is None and is said."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tsprompt.benchmark.intervals import mean_recall_interval, share_interval
from tsprompt.benchmark.scores import score
from tsprompt.errors import InputError
from tsprompt.evaluation import Evaluation, evaluate

CLASSES = ["calm", "mild", "wild"]
CHANCES = np.array(
    [
        [0.8, 0.1, 0.1],
        [0.6, 0.3, 0.1],
        [0.2, 0.7, 0.1],
        [0.9, 0.1, 0.0],
        [0.1, 0.1, 0.8],
    ]
)
TRUTH = np.array(["calm", "calm", "mild", "mild", "wild"])


def finite(made: Evaluation) -> Any:
    """What JSON holds of it, which has no NaN."""
    return json.loads(json.dumps({**made.row(), **made.details()}, allow_nan=False))


def test_figures_are_those_counted_by_hand() -> None:
    made = evaluate(TRUTH, CHANCES, CLASSES, ids=["a", "b", "c", "d", "e"])
    assert made.scores.accuracy == 0.8
    assert made.scores.balanced_accuracy == pytest.approx((1 + 0.5 + 1) / 3)
    calm, mild, wild = made.by_class
    assert (calm.cases, calm.predicted, calm.right) == (2, 3, 2)
    assert (calm.precision, calm.recall) == (pytest.approx(2 / 3), 1.0)
    assert calm.f1 == pytest.approx(0.8)
    assert (mild.precision, mild.recall) == (1.0, 0.5)
    assert wild.auroc == wild.average_precision == 1.0
    # calm: of 2 x 3 pairs, the two with case d are in the wrong order.
    assert calm.auroc == pytest.approx(4 / 6)
    errors = [0.06, 0.26, 0.14, 0.9**2 + 0.9**2, 0.06]
    assert made.brier == pytest.approx(np.mean(errors))
    assert made.scores.log_loss == pytest.approx(-np.log([0.8, 0.6, 0.7, 0.1, 0.8]).mean())
    assert (made.commonest, made.commonest_share) == ("calm", 0.4)
    assert made.notes == []
    (mistake,) = made.mistakes
    assert (mistake.case, mistake.id, mistake.truth, mistake.predicted) == (4, "d", "mild", "calm")
    assert (mistake.probability, mistake.probability_of_truth) == (0.9, 0.1)
    assert finite(made)["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_a_class_without_cases_is_said() -> None:
    made = evaluate(TRUTH[:4], CHANCES[:4], CLASSES)
    wild = made.by_class[2]
    assert (wild.cases, wild.recall, wild.f1, wild.auroc, wild.average_precision) == (
        *(0, None, None),
        *(None, None),
    )
    assert "No case is of wild" in made.notes[0]
    assert "over the other 2 classes" in made.notes[0]
    assert made.scores.auroc is not None
    finite(made)


def test_a_class_that_is_never_answered_is_said() -> None:
    made = evaluate(np.array(["calm", "wild"]), CHANCES[:2], CLASSES)
    assert any("No case was taken for wild" in note for note in made.notes)
    assert made.by_class[2].precision is None
    assert made.by_class[2].f1 == 0


def test_cases_of_one_class_are_said() -> None:
    made = evaluate(TRUTH[:2], CHANCES[:2], CLASSES)
    assert made.scores.auroc is made.average_precision is None
    assert "All cases are of one class" in made.notes[0]
    finite(made)


@pytest.mark.parametrize("label", ["calm", "wild"])
def test_one_case(label: str) -> None:
    made = evaluate(np.array([label]), CHANCES[:1], CLASSES)
    low, high = made.accuracy_interval
    assert high - low > 0.7
    assert len(made.calibration.bins) == 1
    assert len(made.mistakes) == (label != "calm")
    finite(made)


def test_two_classes_have_one_auroc() -> None:
    chances = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.6, 0.4]])
    made = evaluate(np.array(["a", "a", "b", "b"]), chances, ["a", "b"])
    assert {one.auroc for one in made.by_class} == {made.scores.auroc}
    assert made.scores.auroc == 0.75


def test_what_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="never saw: 'odd'"):
        evaluate(np.array(["odd"]), CHANCES[:1], CLASSES)
    with pytest.raises(InputError, match="no case"):
        evaluate(np.array([]), CHANCES[:0], CLASSES)


def test_numbers_that_became_text_keep_their_order() -> None:
    """`10` sorts before `9` as a text: the probabilities are in the model's order all the same."""
    truth, chances = np.array(["9", "10", "9"]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    log_loss = -np.log([0.9, 0.8, 0.7]).mean()
    assert score(truth, truth, chances, ["9", "10"]).log_loss == pytest.approx(log_loss)
    made = evaluate(truth, chances, ["9", "10"])
    assert made.brier == pytest.approx(2 * np.mean([0.01, 0.04, 0.09]))
    assert made.scores.auroc == 1


# intervals


def test_wilsons_interval() -> None:
    """Of Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for right, cases, expected in (
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ):
        assert share_interval(right / cases, cases) == pytest.approx(expected, abs=5e-5)


def test_the_interval_of_balanced_accuracy_holds_the_truth_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    cases, recall = np.array([40, 8, 15]), np.array([0.95, 0.6, 0.8])
    held = 0
    for _ in range(400):
        low, high = mean_recall_interval(draw.binomial(cases, recall), cases) or (1, 0)
        held += low <= recall.mean() <= high
    assert 0.92 <= held / 400 <= 0.99


def test_classes_without_cases_do_not_move_the_interval() -> None:
    found, cases = np.array([3, 0, 5]), np.array([4, 0, 5])
    assert mean_recall_interval(found, cases) == mean_recall_interval(found[::2], cases[::2])
    low, high = mean_recall_interval(np.array([5, 5]), np.array([5, 5])) or (0, 0)
    assert (low < 0.8, high) == (True, 1.0)
    assert mean_recall_interval(np.zeros(2, int), np.zeros(2, int)) is None
