"""Whether a model validates as well without its language model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tsprompt.benchmark import Method
from tsprompt.benchmark.lighter import FEWEST, lighter
from tsprompt.benchmark.plan import without_language_model
from tsprompt.heads import Judgement

DESIGN = SimpleNamespace(validation_kind=lambda: "leave-one-out")
LABELS = np.arange(40) % 2


def judged(wrong: list[int], rows: np.ndarray | None = None, labels: np.ndarray = LABELS) -> Any:
    """A model that is wrong about these cases."""
    rows = np.arange(len(labels)) if rows is None else rows
    chances = np.eye(2)[labels]
    chances[wrong] = chances[wrong][:, ::-1]
    return SimpleNamespace(design=DESIGN, judged=Judgement(rows, labels[rows], chances[rows]))


def test_the_difference_is_paired() -> None:
    found = lighter(judged([0, 1]), judged([1, 2, 3, 4, 5]))
    assert found is not None
    assert (found.model, found.twin) == (38 / 40, 35 / 40)
    assert found.difference == pytest.approx(0.075)
    apart = np.repeat([-1.0, 1.0, 0.0], [1, 4, 35])
    assert found.se == pytest.approx(apart.std(ddof=1) / np.sqrt(40))
    assert not found.level
    assert found.as_dict()["level"] is False


@pytest.mark.parametrize(
    ("model", "twin", "level"),
    [([], [], True), ([0], [0], True), ([0, 1], [], True), ([], [0], True), ([], [0, 1, 2], False)],
)
def test_as_well_is_no_lower_than_by_the_standard_error(
    model: list[int], twin: list[int], level: bool
) -> None:
    found = lighter(judged(model), judged(twin))
    assert found is not None
    assert found.level is level


def test_only_the_same_cases_count() -> None:
    # The model judged itself on cases 0 to 29, the twin on 10 to 39, in another order.
    twin = judged([0, 35], np.arange(10, 40)[::-1])
    found = lighter(judged([5, 12], np.arange(30)), twin)
    assert found is not None
    assert (found.cases, found.model, found.twin) == (20, 19 / 20, 1)


def test_nothing_is_claimed_without_cases() -> None:
    silent = SimpleNamespace(design=DESIGN, judged=None)
    assert lighter(silent, judged([])) is None  # type: ignore[arg-type]
    assert lighter(judged([]), silent) is None  # type: ignore[arg-type]
    few = np.arange(FEWEST - 1)
    assert lighter(judged([], few), judged([])) is None
    assert lighter(judged([]), judged([], labels=1 - LABELS)) is None


def test_the_twin_is_the_row_without_a_language_model() -> None:
    model = Method("shared", "model", "default", {"prompt": "soft", "prompt_from": "somewhere"})
    twin = without_language_model(model, "minilm")
    assert twin is not None
    assert twin.settings == {"prompt": "soft", "backbone": "none:minilm"}
    assert without_language_model(model, "random:minilm") == twin
    assert without_language_model(model, "none:minilm") is None
    # What reads the mask alone would lose the data with the model.
    assert without_language_model(Method("m", "model", "prompt-tuning"), "minilm") is None
