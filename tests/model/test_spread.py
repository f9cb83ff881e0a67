"""A fit whose cases others read is the fit that one process makes, but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tsprompt import PromptClassifier
from tsprompt.base.backends import Dask, Local, Ray
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.model.spread import Spread

HERE = Spread(Local(1), block_cases=7, device="cpu")


def problem(count: int, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Three classes, series of two lengths."""
    rng = np.random.default_rng(seed)
    number = rng.integers(0, 3, count)
    X = [
        rng.normal(0, 3, (20 + 4 * (i % 2), 2)) + np.sin(np.arange(20 + 4 * (i % 2)))[:, None] * k
        for i, k in enumerate(number)
    ]
    return Cases(X), np.array(["a", "b", "c"])[number]


@pytest.fixture
def classifier(tiny_bert: str) -> Any:
    def make(**changes: Any) -> PromptClassifier:
        cheap = {"backbone": tiny_bert, "n_prompts": 2, "tokenizer": "kernels:steps=4"}
        machine = {"device": "cpu", "dtype": "float32", "random_state": 0}
        return PromptClassifier(**{**cheap, **machine, **changes})

    return make


def check_same(one: PromptClassifier, other: PromptClassifier) -> None:
    X, _ = problem(30, seed=1)
    assert np.abs(one.predict_proba(X) - other.predict_proba(X)).max() < 1e-4
    head, twin = (model.parts_.combination.heads_[0] for model in (one, other))
    assert head.temperature_ == pytest.approx(twin.temperature_, rel=1e-3)
    assert one.scores_["validation_accuracy"] == other.scores_["validation_accuracy"]
    assert one.costs_["trainable_parameters"] == other.costs_["trainable_parameters"]
    judged = [model.fitted_.judged for model in (one, other)]
    assert np.abs(judged[0].chances - judged[1].chances).max() < 1e-4


@pytest.mark.parametrize(("deciding", "weights"), [(4_000, None), (40, None), (40, "balanced")])
def test_the_answer_is_that_of_one_process(
    deciding: int, weights: str | None, classifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", deciding)
    X, y = problem(60)
    whole = classifier(class_weight=weights).fit(X, y)
    check_same(whole, classifier(class_weight=weights).fit(X, y, workers=HERE))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"head": "mlp"}, "the head 'mlp' needs the features of all cases.*head=\"ridge\""),
        ({"combination": "vote"}, "the combination 'vote' needs"),
        ({"tuner": "search:draws=2"}, "the tuner 'search' reads cases again"),
        ({"scope": "step"}, 'use scope="series"'),
    ],
)
def test_what_can_not_be_added_up_is_refused(
    changes: dict[str, Any], why: str, classifier: Any
) -> None:
    with pytest.raises(ConfigError, match=why):
        classifier(**changes).fit(*problem(20), workers=HERE)


def test_labelled_cases_of_train_are_all_that_is_learned_from(classifier: Any) -> None:
    with pytest.raises(ConfigError, match="labelled cases of train alone"):
        classifier().fit(*problem(20), development=problem(6, 2), workers=HERE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.extra(name))
        for name, kind in (("ray", Ray), ("dask", Dask))
    ],
)
def test_a_cluster_gives_the_fit_of_one_process(
    classifier: Any, monkeypatch: pytest.MonkeyPatch, kind: type[Ray | Dask]
) -> None:
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    X, y = problem(60)
    there = Spread(kind(None, 2, retries=1), block_cases=6, threads=1, device="cpu")
    check_same(classifier().fit(X, y), classifier().fit(X, y, workers=there))
