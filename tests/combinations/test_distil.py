"""`distil`: patterns' heads label what has no label, for one classifier and for each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.combinations import Evidence, Task
from tsprompt.combinations.distil import Distil, _folds, _Patterns
from tsprompt.combinations.soft_labels import joined, surest
from tsprompt.errors import ConfigError, InputError
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.mlp import MLP
from tsprompt.heads.ridge import Ridge

WIDTH = 6
PATTERNS = 4


def made(
    count: int, seed: int, classes: int = 2, noise: float = 1.0
) -> tuple[torch.Tensor, np.ndarray]:
    """Features (B, 4 * 6) of four patterns, each with a noise of its own, and labels (B,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centers = np.random.default_rng(99).normal(size=(classes, PATTERNS * WIDTH))
    features = centers[labels] + noise * rng.normal(size=(count, PATTERNS * WIDTH))
    return torch.from_numpy(features.astype(np.float32)), labels.astype(np.intp)


def evidence(count: int = 12, classes: int = 2, noise: float = 1.0, **more: Any) -> Evidence:
    features, labels = made(count, 0, classes, noise)
    return Evidence(
        features=features,
        members=list(range(PATTERNS)),
        tasks=[Task.whole(classes)] * PATTERNS,
        labels=labels,
        n_classes=classes,
        optional=torch.zeros(features.shape[1], dtype=torch.bool),
        **more,
    )


# Soft labels


def test_the_final_classifier_learns_from_what_the_patterns_say_of_the_unlabelled() -> None:
    test, _ = made(40, 5)
    said = []
    for free in (made(60, 1)[0], made(60, 2)[0]):
        combination = Distil()
        combination.fit(evidence(unlabelled=free), Ridge(), 0)
        said.append(combination.probabilities(test))
    assert not np.allclose(said[0], said[1])


def test_unlabelled_cases_that_tell_much_make_it_better() -> None:
    """Three cases a class; 200 without labels show where the classes lie. Mean of ten draws."""

    def accuracy(seed: int, *, free: bool) -> float:
        given = evidence(noise=2.0)
        given.features, given.labels = made(6, seed, noise=2.0)
        given.unlabelled = made(200, 1000 + seed, noise=2.0)[0] if free else None
        combination = Distil(generations=3)
        combination.fit(given, Ridge(), seed)
        test, truth = made(200, 2000 + seed, noise=2.0)
        return float((combination.probabilities(test).argmax(axis=1) == truth).mean())

    with_, without = (
        np.mean([accuracy(s, free=free) for s in range(10)]) for free in (True, False)
    )
    assert with_ > without + 0.05


def test_soft_labels_are_weighted_log_probabilities_at_a_temperature() -> None:
    chances = [np.array([[0.9, 0.1]]), np.array([[0.4, 0.6]])]
    said = [np.log(one) for one in chances]
    soft = joined(said, [3.0, 1.0], [0, 1], 2.0)
    scores = np.exp((3 * said[0] + said[1]) / 4 / 2)
    np.testing.assert_allclose(soft, scores / scores.sum())
    np.testing.assert_allclose(joined(said, [3.0, 0.0], [0, 1], 1.0), chances[0])
    hot, cold = (joined(said, [1.0, 1.0], [0, 1], heat).max() for heat in (5.0, 1.0))
    assert hot < cold


def test_a_pattern_that_validates_worse_has_less_of_a_say(monkeypatch: Any) -> None:
    """With the weight of all others at nought, the soft labels are one pattern's own."""
    free = made(30, 3)[0]
    patterns = _Patterns(Distil(temperature=1.0), evidence(), Ridge(), free, 0)
    monkeypatch.setattr(patterns, "_weights", lambda heads: [1.0, 0.0, 0.0, 0.0])
    soft = patterns.teach(np.arange(12))
    own = patterns._fit(0, np.arange(12), 0).probabilities(free[:, :WIDTH])
    np.testing.assert_allclose(soft, own, atol=1e-9)


def test_ridge_learns_from_probabilities() -> None:
    features, labels = made(30, 0)
    hard, soft, vague = Ridge(), Ridge(), Ridge()
    hard.fit(Lesson(features, labels, 2, 0))
    soft.fit(Lesson(features, labels, 2, 0, chances=np.eye(2)[labels]))
    assert np.array_equal(hard.probabilities(features), soft.probabilities(features))
    vague.fit(Lesson(features, labels, 2, 0, chances=0.5 + 0.2 * (np.eye(2)[labels] - 0.5)))
    torch.testing.assert_close(vague.weights_, 0.2 * hard.weights_)


def test_only_known_labels_are_validated() -> None:
    """The figures of the final classifier don't count its agreement with its teachers."""
    features, labels = made(40, 0, noise=0.1)
    known = labels.copy()
    known[20:] = -1
    wrong = np.eye(2)[np.concatenate([labels[:20], 1 - labels[20:]])]
    head = Ridge()
    head.fit(Lesson(features, known, 2, 0, chances=wrong))
    same = Ridge()
    same.fit(Lesson(features, np.concatenate([labels[:20], 1 - labels[20:]]), 2, 0, chances=wrong))
    assert head.validation_accuracy_ != same.validation_accuracy_


# Without unlabelled cases


def test_without_unlabelled_cases_no_head_labels_a_case_that_it_has_seen() -> None:
    """Heads that knew the wrong label of a case would repeat it."""
    base = evidence(40, noise=0.2)
    lied = base.labels.copy()
    lied[0] = 1 - lied[0]
    given = evidence(40, noise=0.2)
    given.labels = lied
    soft = Distil()._cross_fitted(given, Ridge(), 0)
    assert soft[0].argmax() == base.labels[0]


def test_folds_are_disjoint_and_stratified() -> None:
    labels = np.repeat([0, 1, 2], [8, 4, 2])
    fold = _folds(labels, 4, 0)
    assert [np.bincount(fold[labels == c], minlength=4).tolist() for c in (0, 1)] == [
        [2, 2, 2, 2],
        [1, 1, 1, 1],
    ]
    assert sorted(np.bincount(fold, minlength=4)) == [3, 3, 4, 4]


# iPET


def test_the_sets_grow_and_keep_the_classes_balance() -> None:
    free = made(400, 1, classes=3)[0]
    given = evidence(classes=3, noise=0.5, unlabelled=free)
    patterns = _Patterns(Distil(generations=3, factor=4.0), given, Ridge(), free, 0)
    patterns.teach(np.arange(12))
    assert patterns.sizes == [12, 48, 192]
    for generation, factor in zip(patterns.chosen, (4, 16), strict=True):
        for cases, labels in generation:
            assert len(set(cases.tolist())) == len(cases)
            assert np.bincount(labels).tolist() == [4 * (factor - 1)] * 3


def test_no_pattern_labels_for_itself() -> None:
    free = made(60, 1)[0]
    for seed in range(5):
        options = Distil(generations=3, share=0.6)
        patterns = _Patterns(options, evidence(unlabelled=free), Ridge(), free, seed)
        patterns.teach(np.arange(12))
        assert [len(one) for one in patterns.teachers] == [PATTERNS, PATTERNS]
        for generation in patterns.teachers:
            for number, own in enumerate(generation):
                assert number not in own
                assert len(own) == 2


def test_a_pattern_learns_the_labels_that_others_gave(monkeypatch: Any) -> None:
    """What pattern 0's second head has learned hangs on the others' columns of the pool."""
    given, free = evidence(), made(60, 1)[0]
    changed = free.clone()
    changed[:, WIDTH:] = changed[:, WIDTH:].flip(0)
    heads: list[list[Any]] = []
    for pool in (free, changed):
        patterns = _Patterns(Distil(generations=2), given, Ridge(), pool, 0)
        fit, made_ = patterns._fit, []

        def keep(*asked: Any, fit: Any = fit, made_: list[Any] = made_) -> Any:
            made_.append(fit(*asked))
            return made_[-1]

        monkeypatch.setattr(patterns, "_fit", keep)
        patterns.teach(np.arange(12))
        heads.append(made_)
    first, second = ((one[0], one[PATTERNS]) for one in heads)
    assert torch.equal(first[0].weights_, second[0].weights_)
    assert not torch.equal(first[1].weights_, second[1].weights_)


def test_the_surest_cases_of_each_class_are_taken() -> None:
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.95, 0.05]])
    cases, labels = surest(chances, np.array([2, 5]))
    assert cases.tolist() == [4, 0, 2, 3]
    assert labels.tolist() == [0, 0, 1, 1]


# The classifier


def test_errors_at_construction(tiny: dict[str, Any], separable: Any) -> None:
    for changes, said in (
        ({"head": "mlp"}, "can't learn from soft labels"),
        ({"combination": "distil:generations=2"}, "no other that could label"),
        ({"combination": "distil:temperature=0"}, "temperature must be positive"),
        ({"combination": "distil:factor=1"}, "factor must be above 1"),
    ):
        classifier = PromptClassifier(**{**tiny, "combination": "distil", **changes})
        with pytest.raises(ConfigError, match=said):
            classifier.fit(separable.X, separable.y)
    with pytest.raises(NotImplementedError, match="probabilities"):
        MLP().fit(Lesson(torch.zeros(2, 2), np.arange(2), 2, 0, chances=np.eye(2)))


def test_unlabelled_cases_are_refused_where_they_are_of_no_use(
    tiny: dict[str, Any], separable: Any
) -> None:
    with pytest.raises(ConfigError, match="no use for unlabelled cases"):
        PromptClassifier(**tiny).fit(separable.X, separable.y, unlabelled=separable.X_test)
    classifier = PromptClassifier(**tiny, combination="distil")
    with pytest.raises(InputError, match="unlabelled has 1 feature, X has 2"):
        classifier.fit(separable.X, separable.y, unlabelled=separable.X_test[:, :, :1])


@pytest.mark.parametrize("recipe", ["pet-ridge", "ipet-ridge"])
def test_the_recipes_use_unlabelled_cases_and_are_saved(
    recipe: str, tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    X, y, X_test, _ = separable
    options = {**tiny, "n_prompts": 2}
    fitted = PromptClassifier(recipe, **options).fit(X[:9], y[:9], unlabelled=X[9:])
    chances = fitted.predict_proba(X_test)
    other = PromptClassifier(recipe, **options).fit(X[:9], y[:9], unlabelled=X[9:] + 1)
    assert not np.allclose(chances, other.predict_proba(X_test))
    # Scales are those of train, whatever the unlabelled cases are.
    for one, two in zip(fitted.readings_, other.readings_, strict=True):
        for key, value in one.tokenizer.state().items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(two.tokenizer.state()[key]))
    assert len(fitted.parts_.combination.sizes_) == (3 if recipe == "ipet-ridge" else 1)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X_test), chances)
