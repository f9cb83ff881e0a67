"""kNN prompting: the distance between distributions, the vote, and what leave-one-out sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError
from tsprompt.heads import Lesson
from tsprompt.heads.datastore import Neighbours, itself, nearest
from tsprompt.heads.knn import KNN, divergences

EYE = torch.eye(3)
"""A vocabulary of three words, whose scores are what is said: logits of three words."""


def logits(*chances: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(chances).log()


def test_an_anchor_is_as_far_as_its_divergence_to_the_query() -> None:
    """D_KL(anchor || query) over all words, by hand."""
    anchors = logits((0.5, 0.25, 0.25), (0.8, 0.1, 0.1))
    query = logits((0.25, 0.25, 0.5))
    (found,) = divergences(lambda said: said @ EYE, anchors, query)
    first = 0.5 * np.log(2) + 0 + 0.25 * np.log(0.5)
    second = 0.8 * np.log(3.2) + 0.1 * np.log(0.4) + 0.1 * np.log(0.2)
    np.testing.assert_allclose(found, [[first, second]], rtol=1e-6)
    (turned,) = divergences(lambda said: said @ EYE, query, anchors)
    assert abs(float(turned[1, 0]) - second) > 0.05  # it is no symmetric distance


def neighbours(distances: list[float], labels: list[int], counted: list[float]) -> Neighbours:
    far, own = torch.tensor([distances], dtype=torch.float64), torch.tensor(counted)
    whole, in_parts = (
        nearest(parts, torch.tensor(labels), 3, own) for parts in ([far], far.split(1, dim=1))
    )
    assert torch.equal(whole.distances, in_parts.distances)
    assert torch.equal(whole.labels, in_parts.labels)
    return in_parts


def test_the_majority_of_the_nearest_wins_and_the_nearest_decides_ties() -> None:
    found = neighbours([4.0, 1.0, 2.0, 3.0], [0, 1, 0, 0], [1, 1, 1, 1])
    # Of three: class 1 (the nearest) once, class 0 twice; half a vote for the nearest, a third
    # of a vote for each class.
    expected = np.array([2 + 1 / 3, 1.5 + 1 / 3, 1 / 3]) / 4.5
    np.testing.assert_allclose(found.majority(3), [expected])
    assert found.majority(1).argmax() == 1
    assert found.majority(2).argmax() == 1  # a tie
    assert found.majority(3).argmax() == 0


def test_a_neighbour_that_counts_twice_is_one_that_is_written_twice() -> None:
    once = neighbours([1.0, 2.0, 3.0], [0, 1, 2], [2, 1, 3])
    twice = neighbours([1.0, 1.0, 2.0, 3.0, 3.0, 3.0], [0, 0, 1, 2, 2, 2], [1] * 6)
    for count in (1, 2, 3, 4, 5):
        np.testing.assert_allclose(once.majority(count), twice.majority(count))
        np.testing.assert_allclose(once.softly(count, 0.7), twice.softly(count, 0.7))


def test_no_case_is_its_own_neighbour_nor_that_of_its_paraphrase() -> None:
    rows, groups = np.array([0, 2]), np.array([0, 1, 1, 2])
    assert itself(rows, groups).tolist() == [
        [True, False, False, False],
        [False, True, True, False],
    ]


def met(backbone: Any, **options: Any) -> KNN:
    head = KNN(scores="tied", **options)
    head.meet(backbone, classes=["a", "b"])
    return head


def test_random_labels_are_not_validated_by_the_case_itself(backbone: Any) -> None:
    """With itself as a neighbour, one neighbour would always be right."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(60, backbone.state_size))).float()
    labels = rng.permutation(np.arange(60) % 2).astype(np.intp)
    head = met(backbone, neighbours=1).fit(Lesson(features, labels, 2, 0))
    assert head.validation_accuracy_ < 0.75
    assert (head.probabilities(features).argmax(axis=1) == labels).all()
    twins = Lesson(
        torch.cat([features, features + 1e-4]),
        np.tile(labels, 2),
        2,
        0,
        groups=np.tile(np.arange(60), 2),
    )
    assert met(backbone, neighbours=1).fit(twins).validation_accuracy_ < 0.75


def test_the_number_of_neighbours_has_the_least_leave_one_out_loss(backbone: Any) -> None:
    rng = np.random.default_rng(1)
    labels = (np.arange(40) % 2).astype(np.intp)
    noise = rng.normal(size=(40, backbone.state_size))
    features = torch.from_numpy(noise + 0.4 * labels[:, None]).float()
    lesson = Lesson(features, labels, 2, 0)
    chosen = met(backbone).fit(lesson)
    losses = {k: met(backbone, neighbours=k).fit(lesson).validation_loss_ for k in (1, 3, 7, 15)}
    assert chosen.neighbours_ == min(losses, key=lambda k: losses[k])
    assert chosen.validation_loss_ == losses[chosen.neighbours_]
    assert len({round(one, 6) for one in losses.values()}) > 1
    assert chosen.validation_kind() == "leave-one-out"


def test_single_cases_are_judged_by_a_development_sample_or_by_none(backbone: Any) -> None:
    features = torch.randn(2, backbone.state_size, generator=torch.Generator().manual_seed(0))
    labels = np.array([0, 1], dtype=np.intp)
    alone = met(backbone).fit(Lesson(features, labels, 2, 0))
    assert np.isnan(alone.validation_loss_)
    assert alone.neighbours_ == 1
    helped = met(backbone).fit(Lesson(features, labels, 2, 0, development=(features, labels)))
    assert helped.validation_accuracy_ == 1
    assert helped.validation_kind() == "development sample"


def test_the_recipe_predicts_as_it_did_when_it_is_loaded(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    X, y, X_test, y_test = separable
    fitted = PromptClassifier("knn-prompting", **tiny).fit(X, y)
    head = fitted.parts_.combination.heads_[0]
    assert (fitted.predict(X_test) == y_test).mean() > 0.8
    # Not a number of any distribution is kept: they are made of what is said.
    assert head.keys_.shape == (24, 32)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(X_test), fitted.predict_proba(X_test))


def test_no_neighbours_at_all_are_refused() -> None:
    with pytest.raises(ConfigError, match="neighbours must be 1 or more"):
        KNN(neighbours=0)
