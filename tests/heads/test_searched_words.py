"""`searched-words`: LM-BFF's search for label words, step by step."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError
from tsprompt.heads.label_words import LabelWords
from tsprompt.heads.lesson import Lesson, hold_out
from tsprompt.heads.searched_words import SearchedWords, assign


def met(backbone: Any, **options: Any) -> Any:
    head = SearchedWords(scores="tied", **options)
    head.meet(backbone, classes=["a", "b"])
    return head


def said(backbone: Any, count: int = 40, noise: float = 1.0) -> tuple[torch.Tensor, np.ndarray]:
    """States (B, D) of two classes, each about the vector of a word of its own."""
    labels = np.arange(count) % 2
    words = [backbone.words.plain[k] for k in (31, 77)]
    vectors = backbone.word_vectors[words]
    rng = np.random.default_rng(0)
    noises = torch.from_numpy(rng.standard_normal((count, vectors.shape[1]), dtype=np.float32))
    return vectors[labels] + noise * float(vectors.std()) * noises, labels


def accuracy(scores: torch.Tensor, labels: torch.Tensor) -> float:
    return float((scores.argmax(dim=1) == labels).double().mean())


# The assignment


def test_the_best_assignments_are_those_of_a_full_search() -> None:
    torch.manual_seed(3)
    scores, labels = torch.randn(30, 3, 5), torch.arange(30) % 3
    ids = [
        torch.tensor([1, 2, 3, 4, 5]),
        torch.tensor([6, 2, 7, 8, 1]),
        torch.tensor([2, 9, 1, 6, 3]),
    ]
    every = {
        tuple(int(own[k]) for own, k in zip(ids, one, strict=True)): accuracy(
            torch.stack([scores[:, c, k] for c, k in enumerate(one)], dim=1), labels
        )
        for one in itertools.product(range(5), repeat=3)
    }
    every = {one: right for one, right in every.items() if len(set(one)) == 3}
    found = assign(scores, labels, ids, 10)
    assert [every[tuple(one)] for one in found] == sorted(every.values(), reverse=True)[:10]


def test_no_word_stands_for_two_classes() -> None:
    """Both classes like word 5 best; the first of them to be right with it keeps it."""
    scores = torch.tensor([[[2.0, 0.0], [2.0, 1.0]], [[1.0, 0.0], [3.0, 2.0]]])
    words = torch.tensor([5, 6])
    assert assign(scores, torch.tensor([0, 1]), [words, words], 9) == [[5, 6], [6, 5]]


def test_a_case_that_counts_more_decides_more() -> None:
    """Two cases of class 0 are right with word 5 for it, one of class 1 with word 6 for class 0."""
    scores = torch.tensor(
        [[[2.0, 0.0], [1.0, 1.0]], [[2.0, 0.0], [1.0, 1.0]], [[2.0, 0.0], [1.0, 1.0]]]
    )
    labels, ids = torch.tensor([0, 0, 1]), [torch.tensor([5, 6]), torch.tensor([7, 8])]
    assert assign(scores, labels, ids, 1) == [[5, 7]]
    weighed = assign(scores, labels, ids, 1, weights=torch.tensor([1.0, 1.0, 3.0]))
    assert weighed == [[6, 7]]


def test_a_case_written_twice_is_one_that_counts_twice(backbone: Any) -> None:
    features, labels = said(backbone, noise=6.0)
    rows = np.repeat(np.arange(len(labels)), np.where(labels == 1, 3, 1))
    weights = np.where(labels == 1, 3.0, 1.0)
    chosen = []
    for lesson in (
        Lesson(features[rows], labels[rows], 2, 0),
        Lesson(features, labels, 2, 0, weights=weights),
    ):
        head = met(backbone, candidates=8, assignments=1, calibrate=True)
        chosen.append(head.choose(lesson.features, lesson))
    assert chosen[0] == chosen[1]


# The head


def test_candidates_are_the_likeliest_words_of_the_classs_cases(backbone: Any) -> None:
    features, labels = said(backbone)
    head = met(backbone, candidates=3)
    found = head._likely(features, Lesson(features, labels, 2, 0))
    plain = torch.tensor(backbone.words.plain)
    chances = (features @ backbone.word_vectors.T).double().log_softmax(dim=1)[:, plain]
    for number, own in enumerate(found):
        sums = chances[torch.from_numpy(labels == number)].sum(dim=0)
        assert own.tolist() == plain[sums.topk(3).indices].tolist()


def test_what_was_found_is_ranked_by_fitting_and_held_out_cases(backbone: Any) -> None:
    """Of the five best by their scores the one is taken that a fitted `label-words` is right with
    most on the quarter of train that neither has seen."""
    features, labels = said(backbone, noise=6.0)
    head = met(backbone, candidates=8, assignments=5)
    lesson = Lesson(features, labels, 2, 0)
    learn, validate = hold_out(labels, 0.25, 0)
    ids = head._likely(features[learn], lesson.of_rows(learn))
    scores = torch.stack([features[learn] @ backbone.word_vectors[own].T for own in ids], dim=1)
    found = assign(scores.double(), torch.from_numpy(labels[learn]), ids, 5)
    held = []
    for pair in found:
        words = "|".join(backbone.words.word(one) for one in pair)
        own = LabelWords(scores="tied", words=words, calibrate=False)
        own.meet(backbone, classes=["a", "b"])
        own.fit(lesson.of_rows(learn))
        right = own.probabilities(features[validate]).argmax(axis=1) == labels[validate]
        held.append(right.mean())
    chosen = [one for (one,) in head.choose(features, lesson)]
    assert held[found.index(chosen)] == max(held)
    assert max(held) > held[0]  # it is another than the first by its scores


def test_one_case_of_each_class_leaves_nothing_to_rank_by(backbone: Any) -> None:
    features, labels = said(backbone, count=2, noise=0.1)
    head = met(backbone, candidates=4).fit(Lesson(features, labels, 2, 0))
    assert (head.probabilities(features).argmax(axis=1) == labels).all()
    assert np.isnan(head.validation_accuracy_)


def test_words_that_tell_the_classes_are_found_and_saved(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    options = {**tiny, "readout": "mask", "head": "searched-words:scores=tied,candidates=20"}
    fitted = PromptClassifier(**options).fit(separable.X, separable.y)
    own = fitted.parts_.combination.heads_[0]
    assert [len(words) for words in own.words_] == [1, 1, 1]
    chances = fitted.predict_proba(separable.X_test)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)


def test_without_labels_there_is_nothing_to_search_by(backbone: Any) -> None:
    features, _ = said(backbone)
    with pytest.raises(ConfigError, match="can't be searched without labels"):
        met(backbone).choose(features, Lesson(features[:0], np.empty(0, np.intp), 2, 0))
