"""In-context: answers are read off the labelled cases, and nothing is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from shown_cases import Spy, make, problem
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.data import Cases
from tsprompt.errors import ConfigError


def copied(embeddings: Tensor, backbone: Backbone) -> Tensor:
    """The state of an ideal reader: at the mask, the word of the example most like the query.

    It knows nothing but what it is given: rows (b, L, D) of cases that `[SEP]` ends, each a series
    and a word, or the mask.
    """
    special = backbone.word_vectors[[backbone.words.sep, backbone.words.mask]]
    out = torch.zeros_like(embeddings)
    for row, state in zip(embeddings, out, strict=True):
        ends = (row == special[0]).all(dim=1).nonzero().ravel().tolist()
        masked = int((row == special[1]).all(dim=1).nonzero())
        starts = [1, *[end + 1 for end in ends[:-1]]]
        means = {end - 1: row[start : end - 1] for start, end in zip(starts, ends, strict=True)}
        query = means.pop(masked)
        near = min(means, key=lambda at: float((means[at] - query).square().sum()))
        state[masked] = torch.nn.functional.normalize(row[near], dim=0)
    return out


@pytest.mark.usefixtures("quiet")
def test_in_context_tells_a_reader_all_it_needs_and_fits_nothing(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Backbone, embeddings: Tensor, layers: Any, deep: Any = None) -> list[Tensor]:
        return [copied(embeddings, self)] * len(layers)

    monkeypatch.setattr(Backbone, "run", run)
    fitted = PromptClassifier(**tiny, recipe="in-context").fit(separable.X, separable.y)
    assert fitted.score(separable.X_test, separable.y_test) >= 0.9
    assert fitted.costs_["trainable_parameters"] == 0
    # With other labels for the same series, it gives the other labels.
    turned = {"calm": "mild", "mild": "wild", "wild": "calm"}
    y = np.array([turned[one] for one in separable.y])
    other = PromptClassifier(**tiny, recipe="in-context").fit(separable.X, y)
    expected = [turned[one] for one in fitted.predict(separable.X_test)]
    assert (other.predict(separable.X_test) == expected).mean() >= 0.8


@pytest.mark.usefixtures("quiet")
def test_the_head_takes_the_words_of_the_context(tiny: dict[str, Any], separable: Any) -> None:
    for words in ("", ",words=a|b|f"):
        fitted = PromptClassifier(
            **tiny, recipe="in-context", head=f"label-words:scores=tied,fitted=false{words}"
        ).fit(separable.X, separable.y)
        (head,) = fitted.parts_.combination.heads_
        (reading,) = fitted.readings_
        assert reading.context.word_ids is not None
        assert [[one] for one in reading.context.word_ids.tolist()] == head.ids_  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="give words to the head alone"):
        PromptClassifier(
            **tiny,
            recipe="in-context",
            context="demonstrations:words=a+b+d",
            head="label-words:scores=tied,words=a|b|f",
        ).fit(separable.X, separable.y)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("place", ["after", "before"])
def test_as_many_tokens_are_counted_as_are_read(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    cases, labels = problem()
    ragged = Cases([one[: 8 + i % 3] for i, one in enumerate(cases)])
    for context in (f"demonstrations:place={place}", "colours:segments=3"):
        with monkeypatch.context() as patch:
            reader, reading = make(backbone, (ragged, labels), context)
            spy = Spy(backbone, patch)
            reader.features(reading, ragged)
            assert reader.tokens_run == sum(map(len, spy.rows)) > 0


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("recipe", ["demonstrations", "in-context", "cpt"])
def test_odd_cases_are_read_too(tiny: dict[str, Any], ragged: Any, recipe: str) -> None:
    """All alike; of one timestep; three times as long as any in train; by a model of no layers."""
    X, y = np.full((6, 9, 2), 3.0), np.array([0, 1] * 3)
    alike = PromptClassifier(**tiny, recipe=recipe).fit(X, y)
    assert np.isfinite(alike.predict_proba(X * 2 + 1)).all()
    plain = {**tiny, "backbone": f"none:{tiny['backbone']}"}
    for options in (tiny, plain):
        fitted = PromptClassifier(**options, recipe=recipe).fit(ragged.X, ragged.y)
        odd = [ragged.X_test[0][:1], np.concatenate([ragged.X_test[0]] * 3)]
        together = fitted.predict_proba(odd)
        alone = np.concatenate([fitted.predict_proba([one]) for one in odd])
        np.testing.assert_allclose(alone, together, atol=1e-4)
