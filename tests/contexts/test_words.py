"""The words that labelled cases end with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.backbones.vocabulary import find_word, named_or_drawn
from tsprompt.errors import ConfigError
from tsprompt.model.layout import layout, slots


def test_classes_are_told_by_their_names_where_these_are_words(backbone: Backbone) -> None:
    words = backbone.words
    plain = words.word(words.plain[40])
    ids = named_or_drawn(["1", plain.upper(), "no such"], backbone, np.random.default_rng(0))
    assert [words.word(one) for one in ids[:2]] == ["1", plain]
    assert ids[2] in words.plain
    assert len(set(ids)) == 3
    assert named_or_drawn(["a", "A"], backbone, np.random.default_rng(0))[0] == words.id("a")
    assert find_word("[MASK]", backbone) is None


def test_words_can_be_given(tiny: dict[str, Any], separable: Any) -> None:
    def fit(words: str, context: str = "demonstrations:prompted=false,words=") -> PromptClassifier:
        return PromptClassifier(**tiny, context=context + words).fit(separable.X, separable.y)

    fitted = fit('a+"7"+b')
    shown = [
        slot.text for slot in slots(fitted.fitted_, fitted.readings_[0]) if slot.kind == "context"
    ]
    assert sorted(shown) == ["7", "a", "b"]
    with pytest.raises(ConfigError, match="2 words for 3 classes"):
        fit("a+b")
    with pytest.raises(ConfigError, match="'nosuch' is not one word"):
        fit("a+b+nosuch")
    with pytest.raises(ConfigError, match="same word twice"):
        fit("a+b+a")


def test_the_template_shows_the_demonstrations(tiny: dict[str, Any], separable: Any) -> None:
    fitted = PromptClassifier(
        **tiny, context="demonstrations:prompted=false", prompt="hard:length=2"
    ).fit(separable.X, separable.y)
    shown = [slot.text for slot in slots(fitted.fitted_, fitted.readings_[0])]
    steps = layout(fitted.fitted_).steps
    assert shown[:2] == ["[CLS]", shown[1]]
    assert shown.count("[SEP]") == 4
    assert shown.count("[MASK]") == 1
    for letter in "abc":
        assert f"{letter}1" in shown
        assert f"{letter}{steps}" in shown
    assert layout(fitted.fitted_).positions == len(shown)
