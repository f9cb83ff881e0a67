"""Heads of words: what each of them says, saves and validates, and whose words they read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from words_at_the_mask import WORD_HEADS, met, towards

from tsprompt import PromptClassifier
from tsprompt.errors import BackboneError, ConfigError
from tsprompt.heads import heads
from tsprompt.heads.class_words import words_of_classes
from tsprompt.heads.label_words import LabelWords
from tsprompt.heads.lesson import Lesson

# --- whose words ---


def test_words_are_the_classes_names_numbers_or_first_pieces(backbone: Any) -> None:
    words = backbone.words
    plain = words.word(words.plain[40])
    ids = words_of_classes(None, ["3", plain, "calm"], words, "x")
    assert [words.word(own[0]) for own in ids] == ["3", plain, "c"]


def test_words_may_be_given_in_order_or_by_name(backbone: Any) -> None:
    classes = ["calm", "wild"]
    words = backbone.words
    given = words_of_classes("3/4|7", classes, words, "x")
    assert [[words.word(one) for one in own] for own in given] == [["3", "4"], ["7"]]
    assert words_of_classes("wild:7|calm:3/4", classes, words, "x") == given
    for same in ({"wild": 7, "calm": ["3", 4]}, [["3", "4"], "7"]):
        assert words_of_classes(LabelWords(words=same).words, classes, words, "x") == given  # type: ignore[arg-type]
    spec = heads.build("label-words:words=wild:7|calm:3/4")
    assert heads.build(spec.spec()) == spec


@pytest.mark.parametrize(
    ("words", "classes", "why"),
    [
        ("3", ["calm", "wild"], "for 1 class, but there are 2: calm, wild"),
        ("calm:3|mild:4", ["calm", "wild"], "classes that there are not: mild"),
        ("calm:3", ["calm", "wild"], "none for the classes wild"),
        ("3|nonsense", ["calm", "wild"], "'nonsense' is no word of the model's vocabulary"),
        ("3|3", ["calm", "wild"], "'3' would stand for the classes calm and wild"),
        ("3|/", ["calm", "wild"], "leave a class without a word"),
        (None, ["☃", "☂"], "'☃', '☂' are no words.*words=one"),
        (None, ["class 1", "class 2"], "'c' would stand for the classes class 1 and class 2"),
    ],
)
def test_what_is_no_word_is_said(
    words: str | None, classes: list[str], why: str, backbone: Any
) -> None:
    with pytest.raises(ConfigError, match=why):
        words_of_classes(words, classes, backbone.words, "label-words")


# --- all of them ---


@pytest.mark.parametrize("name", WORD_HEADS)
@pytest.mark.parametrize("choices", [{}, {"scope": "step", "tokenizer": "bins"}, {"n_prompts": 2}])
def test_a_saved_model_says_the_same(
    name: str, choices: dict[str, Any], talking: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    """With the model's own head; in the three cases that give one vector or several."""
    fitted = PromptClassifier(**{**talking, **choices}, readout="mask", head=name).fit(
        separable.X, separable.y
    )
    chances = fitted.predict_proba(separable.X_test)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    assert np.isfinite(fitted.scores_["validation_loss"])


def test_another_head_for_words_is_refused(talking: dict[str, Any], separable: Any) -> None:
    head = (
        PromptClassifier(**talking, readout="mask", head="label-words")
        .fit(separable.X, separable.y)
        .parts_.combination.heads_[0]
    )
    with pytest.raises(BackboneError, match="not the one that the model was fitted with"):
        head.restore({**head.state(), "voice_hash_": "another"})


@pytest.mark.parametrize("name", WORD_HEADS)
def test_the_coach_gives_the_heads_own_scores_with_a_gradient(name: str, backbone: Any) -> None:
    """A prompt is trained through the words: what the coach prefers, the head does."""
    features, labels = towards(backbone, ["3", "7"], count=60)
    known = {"scores": "tied"} if name != "prototype" else {}
    head = met(heads.create(name, known), backbone)
    torch.manual_seed(0)
    coach = head.coach(Lesson(features, labels, 2, 0), 16)
    asked = features.clone().requires_grad_(True)
    scores = coach(asked)
    assert scores.shape == (60, 2)
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)).backward()
    assert asked.grad is not None
    assert asked.grad.abs().sum() > 0
    assert (scores.argmax(dim=1).numpy() == labels).mean() > 0.9


def test_a_head_that_reads_words_needs_the_mask(tiny: dict[str, Any], separable: Any) -> None:
    for name in WORD_HEADS:
        with pytest.raises(ConfigError, match='needs readout="mask"'):
            PromptClassifier(**tiny, readout="pooled", head=name).fit(separable.X, separable.y)
