"""Weights through the whole classifier: what a user gives, and what it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError, InputError
from tsprompt.model.design import Design
from tsprompt.model.training_data import TrainingData
from tsprompt.model.weights import check_class_weight
from tsprompt.recipes import resolve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
]

PATHS: dict[str, dict[str, Any]] = {
    "ridge": {},
    "several": {"n_prompts": 2, "combination": "vote"},
    "mlp": {"head": "mlp:epochs=5"},
    "words": {"head": "label-words:scores=tied", "readout": "mask"},
    "soft words": {"head": "soft-words-head:scores=tied,epochs=5", "readout": "mask"},
    "prototype": {"head": "prototype:epochs=5", "readout": "mask"},
    "augment": {"n_prompts": 2, "combination": "augment"},
    "compose": {"combination": "compose"},
    "decompose": {"n_prompts": 2, "combination": "decompose"},
    "distil": {"n_prompts": 2, "combination": "distil"},
    "search": {"tuner": "search:draws=2"},
    "gradient": {"prompt": "soft", "tuner": "gradient:epochs=2"},
    "both hold out": {"prompt": "soft", "tuner": "gradient:epochs=2", "head": "mlp:epochs=5"},
    "trigger": {"tuner": "trigger:epochs=1,coach_steps=3,swaps=1"},
    "transprompt": {"recipe": "transprompt", "tuner": "transprompt:epochs=1,pretraining_epochs=1"},
    "ppt": {"recipe": "ppt", "tuner": "ppt:epochs=1,pretraining_epochs=1"},
}


@pytest.fixture(params=PATHS)
def chosen(request: pytest.FixtureRequest, tiny: dict[str, Any]) -> dict[str, Any]:
    return {**tiny, **PATHS[request.param]}


def chances(chosen: dict[str, Any], data: Any, weights: Any = None, **more: Any) -> np.ndarray:
    fitted = PromptClassifier(**{**chosen, **more}).fit(data.X, data.y, weights)
    return fitted.predict_proba(data.X_test)


def test_equal_weights_change_nothing_and_others_do(chosen: dict[str, Any], separable: Any) -> None:
    plain = chances(chosen, separable)
    assert np.array_equal(chances(chosen, separable, np.full(24, 3.0)), plain)
    assert np.array_equal(chances(chosen, separable, class_weight="balanced"), plain)
    even = {"calm": 2, "mild": 2, "wild": 2}
    assert np.array_equal(chances(chosen, separable, class_weight=even), plain)
    heavy = {"calm": 40.0}
    assert not np.array_equal(chances(chosen, separable, class_weight=heavy), plain)


def test_a_class_weight_is_the_weight_of_its_cases(chosen: dict[str, Any], separable: Any) -> None:
    by_class = chances(chosen, separable, class_weight={"wild": 7})
    by_case = chances(chosen, separable, np.where(separable.y == "wild", 7.0, 1.0))
    assert np.array_equal(by_class, by_case)


def test_a_case_of_no_weight_is_not_there(tiny: dict[str, Any], separable: Any) -> None:
    kept = np.ones(24)
    kept[[0, 7]] = 0
    there = separable._replace(X=separable.X[kept > 0], y=separable.y[kept > 0])
    assert np.array_equal(chances(tiny, separable, kept), chances(tiny, there))


def test_doubling_a_weight_is_writing_the_case_twice(tiny: dict[str, Any], separable: Any) -> None:
    """Where scales and tokenizers, which take each case once, see no difference. A written case
    is left out without its twin, so that the penalty is pinned here, and the temperature differs.
    """
    twice = np.random.default_rng(0).permutation(24)[:8]
    rows = np.sort([*range(24), *twice])
    written = separable._replace(X=separable.X[rows], y=separable.y[rows])
    weights = np.ones(24)
    weights[twice] = 2
    # Bins lie between the extremes, and the states at the mask are taken as they are.
    options = {**tiny, "tokenizer": "bins", "preprocessing": "standard:standardise=none"}
    options |= {"readout": "mask", "head": "ridge:low=0.999,high=1,steps=2"}
    fitted = [
        PromptClassifier(**options).fit(data.X, data.y, own).parts_.combination.heads_[0]
        for data, own in ((separable, weights), (written, None))
    ]
    for learned in ("mean_", "unit_", "bias_", "weights_"):
        one, other = (getattr(head, learned) for head in fitted)
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4, check_dtype=False)


def test_balanced_counts_weights_and_not_cases() -> None:
    """Weights of a class add up to the same, also where cases have weights of their own."""
    y = np.array(["a"] * 6 + ["b"] * 2)
    own = np.array([1, 1, 1, 1, 1, 5, 3, 1.0])
    X = np.random.default_rng(0).normal(size=(8, 9, 1))
    development = X[:2], np.array(["b", "a"])
    given = {"sample_weight": own, "class_weight": "balanced"}
    data = TrainingData.of(X, y, None, development, **given)
    assert data.weights is not None
    assert data.weights[:6].sum() == pytest.approx(data.weights[6:8].sum())
    assert data.weights[:8].sum() == pytest.approx(own.sum())
    # A case of the development sample counts as its class does.
    assert data.weights[8] == pytest.approx(data.weights[7])
    aside = TrainingData.of(X, y, **given).with_development(np.array([7, 0, 1]), np.array([6, 5]))
    assert aside.weights is not None
    np.testing.assert_allclose(aside.weights, data.weights[[7, 0, 1, 6, 5]])


def test_labels_of_any_kind_are_named() -> None:
    X = np.random.default_rng(0).normal(size=(4, 9, 1))
    for y, weights in (
        (np.array([3, 3, 7, 7]), {7: 2}),
        (np.array([3, 3, 7, 7]), {"7": 2}),
        (np.array([True, True, False, False]), {False: 2}),
    ):
        data = TrainingData.of(X, y, class_weight=check_class_weight(weights))
        assert data.weights is not None
        assert data.weights.tolist() == [1, 1, 2, 2]


def test_what_weights_have_taught_is_saved_and_read(
    chosen: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    weights = np.linspace(0.3, 4, 24)
    fitted = PromptClassifier(**chosen).fit(separable.X, separable.y, weights)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    expected = fitted.predict_proba(separable.X_test)
    assert np.array_equal(loaded.predict_proba(separable.X_test), expected)


def test_it_is_saved_and_read(tiny: dict[str, Any], separable: Any, tmp_path: Path) -> None:
    for weights in (None, "balanced", {"wild": 3}):
        fitted = PromptClassifier(**tiny, class_weight=weights).fit(separable.X, separable.y)
        loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
        assert loaded.class_weight == weights
        expected = fitted.predict_proba(separable.X_test)
        assert np.array_equal(loaded.predict_proba(separable.X_test), expected)


def test_runs_keep_their_names() -> None:
    """A run without weights is called as it was before there were any."""
    assert "class_weight" not in resolve("default", {})
    assert "class_weight" not in Design.build(resolve("default", {})).specs(full=True)
    assert resolve("default", {"class_weight": "balanced"})["class_weight"] == "balanced"


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ("even", "neither 'balanced' nor a dict"),
        ({}, "neither 'balanced' nor a dict"),
        ({"calm": 0}, "leave out the cases of a class"),
        ({"calm": "much"}, "must be a number above 0"),
        ({"calm": True}, "must be a number above 0"),
        ({"calm": float("nan")}, "must be a number above 0"),
    ],
)
def test_class_weights_that_can_not_be_used(
    weight: Any, said: str, tiny: dict[str, Any], separable: Any
) -> None:
    with pytest.raises(ConfigError, match=said):
        PromptClassifier(**tiny, class_weight=weight).fit(separable.X, separable.y)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.ones(23), "shape"),
        (np.ones((24, 1)), "shape"),
        (["much"] * 24, "something else than numbers"),
        (-np.arange(24.0), "that of case 1 is -1"),
        ([float("nan")] * 24, "that of case 0 is nan"),
        (np.arange(24) % 3, "all cases of the class calm"),
    ],
)
def test_case_weights_that_can_not_be_used(
    weights: Any, said: str, tiny: dict[str, Any], separable: Any
) -> None:
    with pytest.raises(InputError, match=said):
        PromptClassifier(**tiny).fit(separable.X, separable.y, weights)


def test_a_class_that_there_is_not(tiny: dict[str, Any], separable: Any) -> None:
    with pytest.raises(InputError, match=r"names the class 'clam'.*calm"):
        PromptClassifier(**tiny, class_weight={"clam": 2}).fit(separable.X, separable.y)


def test_without_labels_there_is_nothing_to_weigh(tiny: dict[str, Any], separable: Any) -> None:
    options = {**tiny, "head": "label-words:fitted=false,scores=tied", "readout": "mask"}
    with pytest.raises(ConfigError, match=r"class_weight.* leave it out"):
        PromptClassifier(**options, class_weight="balanced").fit_zero_shot(separable.X, ["a", "b"])
