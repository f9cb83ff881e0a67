"""How many labelled cases have room beside a query, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from shown_cases import make, problem

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.errors import ConfigError, InputError, TspromptNotice
from tsprompt.model.layout import layout


def test_steps_shrink_until_query_and_demonstrations_fit(
    tiny: dict[str, Any], separable: Any
) -> None:
    plain = PromptClassifier(**tiny, prompt="hard:length=4").fit(separable.X, separable.y)
    with pytest.warns(TspromptNotice, match="steps are patches"):
        shown = PromptClassifier(
            **tiny, prompt="hard:length=4", context="demonstrations:per_class=2"
        ).fit(separable.X, separable.y)
    positions = shown.reader_.backbone.positions
    assert layout(plain.fitted_).steps == 20
    assert layout(shown.fitted_).steps == 10  # patches of two timesteps
    used = layout(shown.fitted_).positions
    assert used == 7 * (4 + 10 + 3) - 6 <= positions < 7 * (4 + 20 + 3) - 6
    with pytest.warns(TspromptNotice, match="far shorter or longer"):
        chances = shown.predict_proba(np.concatenate([separable.X] * 3, axis=1))
    assert np.isfinite(chances).all()


def test_fewer_are_shown_where_a_case_would_have_too_few_steps(backbone: Backbone) -> None:
    train = problem(30)
    _, reading = make(backbone, train, "demonstrations:per_class=4")
    _, kept = make(backbone, train, "demonstrations:per_class=4,least_steps=8")
    shown: list[Any] = [reading.context, kept.context]
    assert [one.shown_ for one in shown] == [4, 2]
    assert [one.tokenizer.max_steps_ for one in (reading, kept)] == [4, 12]
    # No class can show more than it has besides the query.
    _, few = make(backbone, problem(9), "demonstrations:per_class=4")
    assert few.context.shown_ == 2  # type: ignore[attr-defined]


def test_too_many_classes_are_told_with_their_number(tiny: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.random((60, 12, 1)), np.repeat(np.arange(30), 2)
    with pytest.raises(ConfigError, match=r"one of each of 30 classes take .* has 128"):
        PromptClassifier(**tiny, context="demonstrations").fit(X, y)


def test_a_class_of_one_case_has_none_to_show_itself(tiny: dict[str, Any]) -> None:
    X, y = np.random.default_rng(0).random((5, 12, 1)), np.array(list("aabbc"))
    with pytest.raises(InputError, match="class c there are fewer than 2 training"):
        PromptClassifier(**tiny, context="demonstrations").fit(X, y)
    # Of two cases the head holds one out.
    X, y = np.random.default_rng(0).random((6, 12, 1)), np.array(list("aaabbb"))
    options = {**tiny, "context": "demonstrations", "head": "mlp:epochs=2"}
    PromptClassifier(**options).fit(X, y)
    with pytest.raises(InputError, match="class b there are fewer than 2 training"):
        PromptClassifier(**options).fit(X[:5], y[:5])


@pytest.mark.parametrize("context", ["demonstrations", "colours"])
def test_steps_read_alone_have_no_context(
    tiny: dict[str, Any], separable: Any, context: str
) -> None:
    with pytest.raises(ConfigError, match=f'context="{context}" has no meaning with scope="step"'):
        PromptClassifier(**tiny, context=context, scope="step").fit(separable.X, separable.y)
