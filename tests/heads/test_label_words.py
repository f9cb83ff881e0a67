"""`label-words`: words that are given or drawn, and what is fitted to their scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from words_at_the_mask import VERBALIZERS, id_of, met, towards

from tsprompt import PromptClassifier
from tsprompt.backbones.word_scores import word_scorer
from tsprompt.errors import ConfigError
from tsprompt.heads import heads
from tsprompt.heads.label_words import LabelWords
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.prototype import Prototype


def test_words_given_by_the_user_decide(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7"])
    options = {"scores": "tied", "fitted": False, "calibrate": False}
    right = met(LabelWords(words="3|7", **options), backbone).fit(Lesson(features, labels, 2, 0))
    wrong = met(LabelWords(words="7|3", **options), backbone).fit(Lesson(features, labels, 2, 0))
    assert right.validation_accuracy_ == 1.0
    assert wrong.validation_accuracy_ == 0.0
    np.testing.assert_allclose(
        right.probabilities(features), wrong.probabilities(features)[:, ::-1]
    )


def test_without_fitting_it_is_the_softmax_of_the_words_scores(speaking: Any) -> None:
    features = torch.randn(10, speaking.hidden_size)
    head = met(LabelWords(words="3/4|7", fitted=False, calibrate=False), speaking)
    head.fit(Lesson(features, np.arange(10) % 2, 2, 0))
    scorer = word_scorer(speaking, "model")
    three, four, seven = (id_of(speaking, word) for word in "347")
    scores = scorer.scores(scorer.say(features)).double()
    classes = torch.stack([scores[:, [three, four]].mean(dim=1), scores[:, seven]], dim=1)
    np.testing.assert_allclose(
        head.probabilities(features), classes.softmax(dim=1).numpy(), atol=1e-5
    )
    assert head.n_parameters == 0
    assert head.validation_kind() == "train, from which nothing was learned"


def test_calibration_evens_a_planted_prior(backbone: Any) -> None:
    """All cases prefer the second class's word: by itself it would always win."""
    features, labels = towards(backbone, ["3", "7"], noise=0.1)
    features = features + 30 * backbone.word_vectors[id_of(backbone, "7")]
    options = {"words": "3|7", "scores": "tied", "fitted": False}
    plain = met(LabelWords(**options, calibrate=False), backbone).fit(
        Lesson(features, labels, 2, 0)
    )
    even = met(LabelWords(**options, calibrate=True), backbone).fit(Lesson(features, labels, 2, 0))
    assert plain.validation_accuracy_ == 0.5
    assert even.validation_accuracy_ == 1.0


def test_a_fitted_temperature_never_lets_a_word_speak_against_its_class(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7"])
    head = met(LabelWords(words="7|3", scores="tied"), backbone).fit(Lesson(features, labels, 2, 0))
    assert (head.scale_ > 0).all()
    assert head.validation_accuracy_ < 0.6
    right = met(LabelWords(words="3|7", scores="tied"), backbone).fit(
        Lesson(features, labels, 2, 0)
    )
    assert right.validation_loss_ < 0.2 < head.validation_loss_


@pytest.mark.parametrize("name", VERBALIZERS)
def test_validation_is_no_better_than_chance_on_noise(name: str, backbone: Any) -> None:
    """Words and weights are chosen anew in each fold: cases don't judge what they have chosen."""
    rng = np.random.default_rng(4)
    features = torch.from_numpy(rng.standard_normal((60, backbone.hidden_size), dtype=np.float32))
    head = met(heads.create(name, {"scores": "tied"}), backbone)
    head.fit(Lesson(features, rng.permutation(np.arange(60) % 2), 2, 0))
    assert head.validation_accuracy_ < 0.68
    assert head.validation_loss_ > 0.55
    assert head.validation_kind() == "10-fold cross-validation"


def test_an_encoder_decoder_has_no_head_that_fills_masks(
    make_family: Callable[..., str], tiny: dict[str, Any], separable: Any
) -> None:
    options = {**tiny, "backbone": make_family("bart"), "readout": "mask"}
    with pytest.raises(ConfigError, match=r"none that fills masks.* use scores=tied"):
        PromptClassifier(**options, head="auto-words").fit(separable.X, separable.y)


@pytest.mark.parametrize("name", VERBALIZERS)
def test_one_case_of_a_class_is_enough(name: str, backbone: Any) -> None:
    """Without one of them its class is unknown: a development sample judges, or nobody."""
    features, labels = towards(backbone, ["3", "7"], count=2)
    head = met(heads.create(name, {"scores": "tied"}), backbone).fit(Lesson(features, labels, 2, 0))
    assert np.isfinite(head.probabilities(features)).all()
    assert np.isnan(head.validation_loss_)
    assert "one case of each class" in head.validation_kind()

    others, truth = towards(backbone, ["3", "7"], count=20, noise=3.0)
    head.fit(Lesson(features, labels, 2, 0, development=(others, truth)))
    guessed = head.probabilities(others).argmax(axis=1)
    assert head.validation_accuracy_ == (guessed == truth).mean()
    assert head.validation_kind() == "development sample"


@pytest.mark.parametrize("name", VERBALIZERS)
def test_paraphrases_of_a_case_are_judged_without_it(name: str, backbone: Any) -> None:
    """Noise, each case four times over: words learned from its twins would know it."""
    features, _ = towards(backbone, ["3", "7"], count=30, noise=100.0)
    labels = np.random.default_rng(5).permutation(np.arange(30) % 2)
    rows = np.repeat(np.arange(30), 4)
    judged = []
    for groups in (None, rows):
        head = met(heads.create(name, {"scores": "tied"}), backbone)
        head.fit(Lesson(features[rows], labels[rows], 2, 0, groups=groups))
        judged.append(head.validation_loss_)
    assert judged[1] > judged[0]
    assert judged[1] > 0.6


def test_several_vectors_are_heard_as_the_mean_of_their_scores(speaking: Any) -> None:
    one, other = torch.randn(2, 12, speaking.hidden_size)
    scorer = word_scorer(speaking, "model")
    head = met(LabelWords(), speaking)
    both = scorer.scores(head.say(torch.cat([one, other], dim=1)))
    each = [scorer.scores(scorer.say(states)) for states in (one, other)]
    torch.testing.assert_close(both, (each[0] + each[1]) / 2, atol=1e-5, rtol=1e-5)


def test_features_that_are_no_states_are_refused(backbone: Any) -> None:
    for head in (LabelWords(scores="tied"), Prototype()):
        with pytest.raises(ConfigError, match="33 features"):
            met(head, backbone).fit(Lesson(torch.randn(8, 33), np.arange(8) % 2, 2, 0))


def test_tasks_without_names_are_refused(backbone: Any) -> None:
    features, labels = towards(backbone, ["3", "7", "9"])
    with pytest.raises(ConfigError, match="classes of its own"):
        met(LabelWords(scores="tied"), backbone).fit(Lesson(features, labels, 3, 0))
