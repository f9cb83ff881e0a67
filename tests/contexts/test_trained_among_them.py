"""A prompt that is trained among labelled cases, and cases that are held out of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from shown_cases import LAYERS, make, problem, tokens_of
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.contexts import contexts
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.mlp import MLP
from tsprompt.heads.ridge import Ridge
from tsprompt.tuners import Problem

# --- training a prompt among demonstrations ---


def test_a_prompt_is_trained_with_what_it_is_read_with(backbone: Backbone) -> None:
    """`hidden` says what `fit_features` said of the same cases of train."""
    cases, labels = problem()
    reader, reading = make(backbone, (cases, labels))
    said = reader.fit_features(reading, cases, np.random.default_rng(0))
    tokens = tokens_of(reader, reading, cases)
    some = np.array([7, 2, 19])
    _, mask = reader.hidden(tokens[some], reading.prompt, LAYERS, reading.context, some)
    torch.testing.assert_close(mask.flatten(1), said[some], atol=1e-5, rtol=1e-4)


def test_the_gradient_reaches_the_prompt_through_the_demonstrations_too(
    backbone: Backbone,
) -> None:
    """Only the prompts around the demonstrations are left to learn here: the query's is cut off."""
    train = problem()
    reader, reading = make(backbone, train)
    tokens = tokens_of(reader, reading, train[0])[:2]
    vectors = reading.prompt.fill(backbone).clone().requires_grad_(True)
    place = np.zeros(2, np.intp)
    beside = reading.context.choose(tokens, np.array([0, 1]), backbone)
    layers = {"context": reading.context, "beside": beside}
    _, mask = reader.read(tokens, place, reading.prompt, vectors, LAYERS, **layers)
    (full,) = torch.autograd.grad(mask.square().sum(), vectors)

    bare = make(backbone, train, "demonstrations:prompted=false")[1].context
    other = {"context": bare, "beside": beside}
    _, mask = reader.read(tokens, place, reading.prompt, vectors, LAYERS, **other)
    (part,) = torch.autograd.grad(mask.square().sum(), vectors)
    assert full.norm() > 0
    assert not torch.allclose(full, part, rtol=1e-2)


def test_gradient_tuning_never_shows_a_case_itself(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Any = contexts["demonstrations"]
    asked: list[np.ndarray] = []
    original = kind.choose

    def choose(self: Any, tokens: Tensor, own: Any, backbone: Backbone) -> np.ndarray:
        numbers: np.ndarray = original(self, tokens, own, backbone)
        assert own is not None
        assert not (self.index_.numpy()[numbers] == own[:, None]).any()
        asked.append(own)
        return numbers

    monkeypatch.setattr(kind, "choose", choose)
    fitted = PromptClassifier(
        **tiny,
        context="demonstrations",
        prompt="gru:straight_through=true,hidden=8,length=4",
        tuner="gradient:epochs=2,hidden=8",
        readout="mask",
    ).fit(separable.X, separable.y)
    assert len(asked) > 2
    assert fitted.report_["largest gradient at the prompt"] > 0


# --- cases that are validated on ---


@pytest.mark.parametrize("tuner", ["none", "search:draws=2", "gradient:epochs=1,hidden=4"])
def test_what_is_validated_on_is_shown_to_nobody(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch, tuner: str
) -> None:
    """Else a held-out case would take part in what is learned from the others."""
    held: list[np.ndarray] = []
    split, held_out = Problem.split, MLP.held_out

    def spy_split(self: Problem, *given: Any) -> Any:
        both = split(self, *given)
        held.append(both[1])
        return both

    def spy_held_out(self: MLP, *given: Any) -> Any:
        said = held_out(self, *given)
        held.append(said[2])
        return said

    monkeypatch.setattr(Problem, "split", spy_split)
    monkeypatch.setattr(MLP, "held_out", spy_held_out)
    fitted = PromptClassifier(
        **{**tiny, "n_prompts": 2},
        tokenizer="kernels:steps=4",
        context="demonstrations:prompted=false",
        prompt="gru:straight_through=true,hidden=8,length=4"
        if "grad" in tuner
        else "hard:length=4",
        tuner=tuner,
        readout="mask",
        head="mlp:epochs=2",
    ).fit(separable.X, separable.y)
    shown = {int(i) for one in fitted.readings_ for i in one.context.index_}  # type: ignore[attr-defined]
    assert len(shown) == 18
    assert held
    assert all(len(one) == 6 and not shown & set(one.tolist()) for one in held)
    assert fitted.report_["development sample, held out of train"] == 6
    assert fitted.parts_.validation_kind().startswith("development sample")


def test_a_head_that_holds_nothing_out_learns_from_all_of_train(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    fit = Ridge.fit

    def spy(self: Ridge, lesson: Lesson) -> Any:
        sizes.append(len(lesson.features))
        return fit(self, lesson)

    monkeypatch.setattr(Ridge, "fit", spy)

    def fitted(tuner: str, head: str = "ridge") -> PromptClassifier:
        return PromptClassifier(
            **tiny,
            train="tuning-free" if tuner == "none" else "prompt",
            tokenizer="kernels:steps=4",
            context="demonstrations:prompted=false",
            prompt="gru:straight_through=true,hidden=8,length=4",
            tuner=tuner,
            readout="mask",
            head=head,
        ).fit(separable.X, separable.y)

    trained, drawn = fitted("gradient:epochs=1,hidden=4"), fitted("none")
    assert sizes == [24, 24]
    assert len(trained.readings_[0].context.index_) == 18  # type: ignore[attr-defined]
    assert len(drawn.readings_[0].context.index_) == 24  # type: ignore[attr-defined]
    # One case is left out after the other, and all may be shown: that can't be independent.
    kind = drawn.parts_.validation_kind()
    assert kind == "leave-one-out, but cases left out stand with their label beside others"
    nothing = fitted("none", "label-words:scores=tied,fitted=false,calibrate=false")
    assert nothing.parts_.validation_kind() == "train, from which nothing was learned"


def test_of_a_development_sample_nothing_is_shown(tiny: dict[str, Any], separable: Any) -> None:
    options = {**tiny, "tokenizer": "kernels:steps=4", "context": "demonstrations"}
    fitted = PromptClassifier(**options, head="mlp:epochs=2").fit(
        separable.X, separable.y, development=(separable.X_test, separable.y_test)
    )
    context: Any = fitted.readings_[0].context
    assert sorted(context.index_.tolist()) == list(range(24))
    assert "development sample, held out of train" not in fitted.report_
