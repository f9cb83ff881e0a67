"""The ridge of many cases: by sums of blocks and by conjugate gradients, as if it were of few."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tsprompt.heads import Lesson
from tsprompt.heads.ridge import Ridge, targets
from tsprompt.heads.sums import RidgeSums
from tsprompt.heads.weighing import standardiser


def problem(count: int = 90, width: int = 40, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """Four classes, mixed; a feature that never changes, and one of a large mean."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    features = np.eye(4, width)[labels] + 0.6 * rng.normal(size=(count, width))
    features[:, -1], features[:, -2] = 3.0, features[:, -2] + 1_000
    return torch.from_numpy(features).float(), labels


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=4), st.booleans(), st.integers(0, 3))
def test_sums_are_those_of_all_cases_however_they_were_cut(
    cuts: list[int], weighted: bool, apart: int
) -> None:
    features, labels = problem()
    lesson = Lesson(features, labels, 4, 0)
    aims = targets(lesson)
    counted = torch.from_numpy(np.random.default_rng(1).uniform(0.2, 3, 90)) if weighted else None
    whole, parts = RidgeSums(40, 4), [RidgeSums(40, 4), RidgeSums(40, 4)]
    whole.add(features, aims, counted)
    ends = [0, *sorted(cuts), 90]
    for number, (start, stop) in enumerate(itertools.pairwise(ends)):
        rows = slice(start, stop)
        own = None if counted is None else counted[rows]
        parts[number > apart].add(features[rows], aims[rows], own)
    first, second = (pickle.loads(pickle.dumps(one)) for one in parts)  # as a worker sends them
    first.merge(second)
    for one, other in zip(first.standardiser(), standardiser(features, counted), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.solve(2.0), whole.solve(2.0), rtol=1e-7, atol=1e-9)


def test_panels_of_features_leave_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = problem()
    aims = targets(Lesson(features, labels, 4, 0))
    whole = RidgeSums(40, 4)
    whole.add(features, aims)
    monkeypatch.setattr("tsprompt.heads.sums._PANEL", 7)
    cut = RidgeSums(40, 4)
    cut.add(features, aims)
    torch.testing.assert_close(cut.symmetric(), whole.symmetric())


@pytest.mark.parametrize("way", ["sums", "gradients"])
@pytest.mark.parametrize("case", ["plain", "optional", "weighted", "soft", "wide", "separable"])
def test_many_cases_are_solved_as_few_are(
    way: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the same penalty, to 1e-4 of every probability; and cases decide as they did."""
    features, labels = problem(width=150 if case == "wide" else 40)
    if case == "separable":
        features[:, :4] += 20 * torch.eye(4)[labels]
    lesson = Lesson(
        features,
        labels,
        4,
        0,
        optional=torch.arange(40) >= 25 if case == "optional" else None,
        weights=np.random.default_rng(2).uniform(0.1, 4, 90) if case == "weighted" else None,
        chances=torch.rand(90, 4, generator=torch.Generator().manual_seed(0)).softmax(1).numpy()
        if case == "soft"
        else None,
    )
    head = {"low": 0.0, "high": 1e-6, "steps": 2, "weights": (0.3,)}
    few = Ridge(**head).fit(lesson)  # type: ignore[arg-type]
    monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", 60)
    monkeypatch.setattr("tsprompt.heads.ridge.SUMMED_FEATURES", 999 if way == "sums" else 0)
    monkeypatch.setattr("tsprompt.base.scratch.BLOCK_BYTES", 1 << 11)
    many = Ridge(**head).fit(lesson)  # type: ignore[arg-type]
    assert many.validation_kind() == "leave-one-out on 60 cases"
    many.temperature_ = few.temperature_
    np.testing.assert_allclose(many.probabilities(features), few.probabilities(features), atol=1e-4)


def test_the_shortcut_saves_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the steps that the plain method takes where a few directions are large."""
    from tsprompt.heads import iterating

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    mixed = rng.normal(size=(400, 60)) * np.geomspace(300, 0.1, 60)
    features = torch.from_numpy(mixed @ rng.normal(size=(60, 60))).float()
    lesson = Lesson(features, labels, 3, 0)
    monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", 200)
    monkeypatch.setattr("tsprompt.heads.ridge.SUMMED_FEATURES", 0)
    steps: dict[bool, int] = {}
    real = iterating.Rows.image
    for short in (True, False):
        steps[short] = 0

        def image(self: iterating.Rows, vectors: Tensor, short: bool = short) -> Tensor:
            steps[short] += 1
            return real(self, vectors)

        monkeypatch.setattr(iterating.Rows, "image", image)
        monkeypatch.setattr(iterating, "_DIRECTIONS", 1_000 if short else 0)
        Ridge(low=-1, high=-0.9, steps=2).fit(lesson)
    assert 3 * steps[True] < steps[False], steps
