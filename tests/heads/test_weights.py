"""Weights of cases: a case that counts twice is one that is written twice."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprompt.heads import Head, Lesson, heads
from tsprompt.heads.dual import Asked, Solved
from tsprompt.heads.mlp import MLP
from tsprompt.heads.ridge import Ridge
from tsprompt.heads.weighing import cross_entropy, mean_of, spread_of, standardiser

WORDS = {
    "label-words": {"scores": "tied", "words": "3|7|5"},
    "knowledge": {"scores": "tied", "words": "3|7|5", "neighbours": 6},
    "auto-words": {"scores": "tied", "words": 3},
    "auto-words:choice=likelihood": {"scores": "tied", "words": 3},
}


def made(count: int = 36, width: int = 32, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Three classes, well mixed, of very different numbers."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [count // 2, count // 3, count - count // 2 - count // 3])
    means = np.eye(3, width)[labels]
    return torch.from_numpy(means + 0.6 * rng.normal(size=(count, width))).float(), labels


def both(lesson: Lesson, times: np.ndarray) -> tuple[Lesson, Lesson]:
    """The lesson with its cases counted so often, and with them written so often."""
    cases = np.arange(len(lesson.labels))
    rows = np.repeat(cases, times)
    counted = dataclasses.replace(lesson, groups=cases, weights=times.astype(float))
    written = dataclasses.replace(
        lesson, features=lesson.features[rows], labels=lesson.labels[rows], groups=rows
    )
    if lesson.development is not None:
        behind = np.ones(len(lesson.development[1]))
        counted = dataclasses.replace(counted, weights=np.concatenate([times, behind]))
    return counted, written


TIMES = np.random.default_rng(5).integers(1, 4, size=36)


@pytest.mark.parametrize("optional", [False, True])
def test_ridge(optional: bool) -> None:
    features, labels = made()
    which = torch.arange(32) >= 20 if optional else None
    counted, written = both(Lesson(features, labels, 3, 0, which), TIMES)
    one, other = Ridge().fit(counted), Ridge().fit(written)
    assert one.penalty_ == other.penalty_
    if optional:
        assert one.optional_weight_ == other.optional_weight_
    np.testing.assert_allclose(
        one.probabilities(features), other.probabilities(features), atol=1e-5
    )
    assert one.validation_loss_ == pytest.approx(other.validation_loss_, abs=1e-6)
    plain = Ridge().fit(Lesson(features, labels, 3, 0, which))
    assert np.abs(plain.probabilities(features) - one.probabilities(features)).max() > 0.01


def test_without_groups_a_weighted_case_is_left_out_as_a_whole() -> None:
    """By groups of one and by the closed form alone."""
    features, labels = made()
    lesson, _ = both(Lesson(features, labels, 3, 0), TIMES)
    one, other = Ridge().fit(lesson), Ridge().fit(dataclasses.replace(lesson, groups=None))
    assert one.penalty_ == other.penalty_
    assert one.validation_loss_ == pytest.approx(other.validation_loss_, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.floats(0.01, 10))
def test_the_weighted_leave_one_out_is_that_of_second_fits(seed: int, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = (torch.from_numpy(rng.normal(size=(9, k))) for k in (4, 2))
    counted = torch.from_numpy(rng.uniform(0.1, 5, size=9))
    found = Solved(x @ x.T, Asked(y, None, counted), [penalty]).residuals
    for case in range(9):
        rest = torch.arange(9) != case
        own = counted[rest]
        mean_x, mean_y = mean_of(x[rest], own), mean_of(y[rest], own)
        inner, outer = x[rest] - mean_x, y[rest] - mean_y
        square = inner.T @ (own[:, None] * inner) + penalty * torch.eye(4).to(x)
        slopes = torch.linalg.solve(square, inner.T @ (own[:, None] * outer))
        expected = y[case] - (mean_y + (x[case] - mean_x) @ slopes)
        torch.testing.assert_close(found[case], expected, rtol=1e-6, atol=1e-8)


def test_ridge_by_conjugate_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """They find what the direct solution at the same penalty is."""
    features, labels = made(60)
    rng = np.random.default_rng(0)
    lesson = Lesson(features, labels, 3, 0, weights=rng.uniform(0.2, 4, size=60))
    direct = Ridge(low=1, high=1.001, steps=2).fit(lesson)
    monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", 40)
    monkeypatch.setattr("tsprompt.heads.ridge._TOLERANCE", 1e-6)
    iterated = Ridge(low=1, high=1.001, steps=2).fit(lesson)
    torch.testing.assert_close(iterated.weights_, direct.weights_, rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("name", WORDS)
def test_heads_of_words(name: str, backbone: Any) -> None:
    features, labels = made()
    options = {**WORDS[name], **({"choice": "likelihood"} if "choice" in name else {})}
    counted, written = both(Lesson(features, labels, 3, 0), TIMES)
    found = []
    for lesson in (counted, written):
        head = heads.create(name.partition(":")[0], options)
        head.meet(backbone, classes=["3", "5", "7"])
        found.append(head.fit(lesson))
    one, other = found
    assert one.ids_ == other.ids_
    np.testing.assert_allclose(
        one.probabilities(features), other.probabilities(features), atol=1e-4
    )
    assert one.validation_loss_ == pytest.approx(other.validation_loss_, abs=1e-4)


def quick(name: str, backbone: Any) -> Head:
    """A head that descends, with all cases in one step."""
    more = {"scores": "tied"} if name == "soft-words-head" else {}
    head = heads.create(name, {"epochs": 8, "patience": 8, "batch": 999, **more})
    head.meet(backbone, classes=["3", "5", "7"])
    return head


@pytest.mark.parametrize("name", ["mlp", "soft-words-head"])
def test_heads_that_descend(name: str, backbone: Any) -> None:
    """Where all cases are in one step and another sample ends training, they agree as well."""
    features, labels = made()
    lesson = Lesson(features, labels, 3, 0, development=made(12, seed=1))
    counted, written = both(lesson, TIMES)
    one, other = (quick(name, backbone).fit(one) for one in (counted, written))
    np.testing.assert_allclose(
        one.probabilities(features), other.probabilities(features), atol=1e-3
    )
    plain = quick(name, backbone).fit(lesson)
    assert np.abs(plain.probabilities(features) - one.probabilities(features)).max() > 2e-3


@pytest.mark.parametrize("name", ["mlp", "soft-words-head", "prototype", "ridge", "label-words"])
def test_a_heavy_class_is_found_more_often(name: str, backbone: Any) -> None:
    features, labels = made(60, seed=3)
    more = {"scores": "tied"} if "words" in name else {}
    shares = []
    for weight in (1.0, 25.0):
        head = heads.create(name, more)
        head.meet(backbone, classes=["3", "5", "7"])
        weights = np.where(labels == 2, weight, 1.0) if weight > 1 else None
        chances = head.fit(Lesson(features, labels, 3, 0, weights=weights)).probabilities(features)
        shares.append(chances[:, 2].mean())
    assert shares[1] > shares[0] + 0.01


def test_the_mean_is_over_the_cases_and_not_their_weights() -> None:
    scores, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.tensor([1.0, 2, 3, 1, 2, 3])
    each = torch.stack([cross_entropy(scores[[i]], labels[[i]]) for i in range(6)])
    torch.testing.assert_close(cross_entropy(scores, labels, weights), (each * weights).mean())
    torch.testing.assert_close(
        cross_entropy(scores, labels, weights, total=True), (each * weights).sum()
    )


def test_means_and_scales_are_those_of_the_cases_written_out() -> None:
    features, _ = made()
    weights = torch.from_numpy(TIMES.astype(float))
    written = features[np.repeat(np.arange(36), TIMES)]
    torch.testing.assert_close(standardiser(features, weights), standardiser(written))
    torch.testing.assert_close(spread_of(features, weights), spread_of(written))


def test_rows_of_a_lesson_keep_what_belongs_to_them() -> None:
    features, labels = made()
    lesson, _ = both(Lesson(features, labels, 3, 0, development=made(6)), TIMES)
    some = lesson.of_rows(np.array([3, 20]))
    assert some.development is None
    assert some.groups is not None
    assert some.groups.tolist() == [3, 20]
    assert some.weights is not None
    assert some.weights.tolist() == TIMES[[3, 20]].tolist()
    whole, _, held = MLP().held_out(lesson)
    assert len(whole.labels) == 42
    assert held.tolist() == list(range(36, 42))
    assert whole.weights is not None
    assert (whole.weights[held] == 1).all()
