"""`knowledge` (KPT): frequency, relevance and calibration, with values that were worked out by
hand."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.heads.answer import Answer
from tsprompt.heads.knowledge import Knowledge, log_prior, relevance
from tsprompt.heads.lesson import Lesson


def test_relevance_is_of_scores_about_their_means_against_the_other_names() -> None:
    """Two names: of word 0 r is 3/5 with its own and -4/5 with the other, so R = 3/4; word 1 is its
    name's double, R = 1 / (0 -> tiny); word 2 turns against its name; word 3 is a shifted double of
    the first, by a score that all cases share, which tells nothing."""
    names = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).double()
    first, second = names.T
    words = torch.stack([0.6 * first - 0.8 * second, first, -first, 100 + 0.6 * first], dim=1)
    found = relevance(words, names, 0)
    assert float(found[0]) == pytest.approx(0.75)
    assert float(found[1]) > 1e6
    assert float(found[2]) == -math.inf
    assert float(found[3]) > 1e6


def test_of_several_other_names_the_power_mean_counts() -> None:
    """Three names at right angles: r is 0.5 with the own, 0.6 and 0.3 with the others, but for a
    length; the order is 1 + 10 / 1.01."""
    names = torch.tensor([[1, -1, 0, 0], [0, 0, 1, -1], [1, 1, -1, -1]]).double().T
    names /= names.norm(dim=0)
    word = names @ torch.tensor([0.5, 0.6, 0.3]).double()
    order = 1 + 10 / 1.01
    mean = ((0.6**order + 0.3**order) / 2) ** (1 / order)
    assert float(relevance(word[:, None], names, 0)) == pytest.approx(0.5 / mean)


def test_a_weight_of_two_is_a_case_that_is_written_twice() -> None:
    torch.manual_seed(0)
    words, names = torch.randn(5, 3).double(), torch.randn(5, 2).double()
    rows, weights = torch.tensor([0, 1, 1, 2, 3, 4]), torch.tensor([1.0, 2, 1, 1, 1]).double()
    torch.testing.assert_close(
        relevance(words, names, 0, weights), relevance(words[rows], names[rows], 0)
    )
    torch.testing.assert_close(log_prior(words.split(2), weights), log_prior([words[rows]]))


def test_the_prior_is_the_mean_of_chances_and_a_chance_is_divided_by_it() -> None:
    """Chances 0.2 and 0.4 of word one, 0.1 and 0.1 of word two: priors 0.3 and 0.1."""
    chances = torch.tensor([[0.2, 0.1], [0.4, 0.1]]).double()
    prior = log_prior([chances.log()])
    torch.testing.assert_close(prior, torch.tensor([0.3, 0.1]).double().log())
    ones = torch.ones(2, dtype=torch.float64)
    answer = Answer([[0], [1]], prior, ones, ones, 0 * ones, of_chances=True)
    scores = answer.classes(chances.log() + 7)  # a score that is shared changes no class
    torch.testing.assert_close(
        scores.softmax(dim=1),
        torch.tensor([[0.2 / 0.3, 1.0], [0.4 / 0.3, 1.0]]).double()
        / torch.tensor([[5 / 3], [7 / 3]]),
    )


def test_unfitted_the_chances_of_a_classs_words_are_averaged() -> None:
    """(0.3 + 0.1) / 2 against 0.4: even, where the mean of logarithms would say 0.17 to 0.4."""
    words = torch.tensor([[0.3, 0.1, 0.2]]).double()
    ones, none = torch.ones(2, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    weights = torch.tensor([0.5, 0.5, 1.0]).double()
    answer = Answer([[0, 1], [2]], none, weights, ones, 0 * ones, of_chances=True)
    torch.testing.assert_close(
        answer.classes(words.log()).exp(), torch.tensor([[0.2, 0.2]]).double()
    )


# In the head


def id_of(backbone: Any, word: str) -> int:
    return int(backbone.words.id(word))


def heard(backbone: Any, words: str, **options: Any) -> tuple[Any, Any, np.ndarray]:
    """A head that knows these words, states in which classes 3 and 7 sound in turn, and labels."""
    head = Knowledge(words=words, scores="tied", neighbours=0, keep=1.0, **options)
    head.meet(backbone, classes=["3", "7"])
    labels = np.arange(40) % 2
    vectors = backbone.word_vectors[[id_of(backbone, "3"), id_of(backbone, "7")]]
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((40, vectors.shape[1])))
    return head, 3 * vectors[labels] + 0.1 * float(vectors.std()) * noise.float(), labels


def planted(head: Any, backbone: Any, word: str, like: str) -> None:
    """Give a word the vector of another, nearly."""
    head.met_scorer = copy.copy(head.met_scorer)
    vectors = head.met_scorer.vectors.clone()
    vectors[id_of(backbone, word)] = vectors[id_of(backbone, like)] * 0.9
    head.met_scorer.vectors = vectors


@pytest.mark.parametrize("denoise", [True, False])
def test_words_of_your_own_that_are_not_relevant_go(denoise: bool, backbone: Any) -> None:
    """150 sounds with the other class's name, 151 with its own; both are yours."""
    head, features, labels = heard(backbone, "3/150|7/151", denoise=denoise)
    planted(head, backbone, "150", like="7")
    planted(head, backbone, "151", like="7")
    head.fit(Lesson(features, labels, 2, 0))
    assert head.words_ == ([["3"], ["7", "151"]] if denoise else [["3", "150"], ["7", "151"]])


def test_words_of_your_own_that_the_model_never_expects_go(backbone: Any) -> None:
    head, features, labels = heard(backbone, "3/150|7/151", denoise=False)
    head.keep = 0.75
    planted(head, backbone, "150", like="3")
    planted(head, backbone, "151", like="3")
    head.met_scorer.vectors[id_of(backbone, "151")] *= -1
    head.fit(Lesson(features, labels, 2, 0))
    assert head.words_ == [["3", "150"], ["7"]]


def test_the_prior_of_a_fitted_head_is_of_chances_over_train(backbone: Any) -> None:
    head, features, labels = heard(backbone, "3|7", denoise=False)
    head.fit(Lesson(features, labels, 2, 0))
    chances = (features @ backbone.word_vectors.T).double().softmax(dim=1)
    expected = chances[:, [id_of(backbone, "3"), id_of(backbone, "7")]].mean(dim=0).log()
    torch.testing.assert_close(head.prior_, expected, atol=1e-4, rtol=1e-4)


def test_zero_shot_it_learns_from_cases_without_labels(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    head = "knowledge:scores=tied,fitted=false,words=3|4|7,neighbours=5"
    model = PromptClassifier(**tiny, readout="mask", head=head)
    model.fit_zero_shot(separable.X, ["calm", "mild", "wild"])
    own = model.parts_.combination.heads_[0]
    assert own.n_parameters == 0
    chances = model.predict_proba(separable.X_test)
    assert np.isfinite(chances).all()
    loaded = PromptClassifier.load(model.save(tmp_path / "m"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    # What is seen does not hang on labels: the same words and priors as of a fit with labels.
    fitted = PromptClassifier(**tiny, readout="mask", head=head).fit(separable.X, separable.y)
    assert fitted.parts_.combination.heads_[0].ids_ == own.ids_
