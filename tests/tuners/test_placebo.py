"""The placebo of every tuner: as much work, the same judgement, and nothing that train says.

Generated from the registry: a new tuner is held to what it declares, without an edit here.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones.template import Prompt
from tsprompt.benchmark.plan import Method, ablations_of
from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.model.design import Design
from tsprompt.prompts import prompts
from tsprompt.reading.reader import Reader
from tsprompt.recipes import RECIPES
from tsprompt.tuners import Found, Problem, tuners, tuners_for

pytestmark = pytest.mark.slow

SEEKING = [name for name in tuners if tuners[name].placebo]
PAIRS = [
    (tuner, prompt)
    for tuner in SEEKING
    for prompt in prompts
    if tuner in tuners_for(prompts[prompt])
]
TEMPLATES = ("generate", "mine", "paraphrase")
"""They find templates, of as many words as these have."""
ONCE = ("epochs", "pretraining_epochs", "swaps", "explore")
"""With one of each, a tuner decides nothing before it has proposed all."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        yield


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """The prompts that the model has been asked under."""
    seen: set[bytes] = set()
    own_read, own_hidden = Problem.read, Reader.hidden

    def note(prompt: Prompt) -> None:
        vectors = prompt.vectors if prompt.ids is None else None  # of words, their embeddings
        parts = [prompt.ids, vectors, prompt.deep, torch.tensor([prompt.before, prompt.mask])]
        seen.add(b"|".join(b"" if p is None else p.detach().numpy().tobytes() for p in parts))

    def reading(self: Problem, prompt: Prompt, stage: str) -> Found:
        note(prompt)
        return own_read(self, prompt, stage)

    def hidden(self: Reader, rows: Any, prompt: Prompt, *more: Any) -> Any:
        note(prompt)
        return own_hidden(self, rows, prompt, *more)

    monkeypatch.setattr(Problem, "read", reading)
    monkeypatch.setattr(Reader, "hidden", hidden)
    return seen


def quick(tuner: str) -> Any:
    """The tuner with its quick options, and one decision."""
    part = tuners.build(tuner)
    once = {name: 1 for name in ONCE if name in part.options()}
    return dataclasses.replace(part, **{**part.quick, **once})


Fit = Callable[..., PromptClassifier]


@pytest.fixture
def fitted(tiny: dict[str, Any], separable: Any, tools: dict[str, dict[str, Any]]) -> Fit:
    """Fits a prompt by a tuner under a regime, on the separable cases with these labels."""

    def fit(tuner: str, prompt: str, train: str, labels: Any = separable.y) -> PromptClassifier:
        own = prompts.build(prompt)
        made = PromptClassifier(
            **tiny,
            prompt=dataclasses.replace(own, **own.quick),
            tuner=dataclasses.replace(quick(tuner), **tools.get(tuner, {})),
            readout="mask",
            head="label-words:scores=tied" if tuners[tuner].hears_words else "ridge",
            train=train,
        )
        return made.fit(separable.X, labels)

    return fit


@pytest.fixture
def relabelled(separable: Any) -> dict[str, Any]:
    """The labels of the cases, and the same labels at other cases."""
    return {"true": separable.y, "mixed": np.random.default_rng(1).permutation(separable.y)}


@pytest.mark.parametrize(("tuner", "prompt"), PAIRS)
def test_what_a_placebo_proposes_has_not_heard_of_train(
    tuner: str, prompt: str, fitted: Fit, read: set[bytes], relabelled: dict[str, Any]
) -> None:
    told = {}
    for placebo in (True, False):
        for name, labels in relabelled.items():
            read.clear()
            fitted(tuner, prompt, f"prompt:placebo={placebo}", labels)
            told[placebo, name] = set(read)
    assert told[True, "true"] == told[True, "mixed"]
    # The method itself proposes others. Not a random search, whose choice alone hears, nor
    # descent, where a lookup of words keeps the gradient from the prompt.
    blocked = tuner == "gradient" and "straight_through" in prompts.build(prompt).options()
    deaf = tuner == "search" or blocked
    # Sentences are there before train is, and are chosen by it; the error of a network beside the
    # model asks for no label.
    given = tuner in ("mine", "paraphrase", "side-network")
    assert (told[False, "true"] == told[False, "mixed"]) == (deaf or given)
    assert (told[True, "true"] == told[False, "true"]) == deaf


@pytest.mark.parametrize(("tuner", "prompt"), PAIRS)
def test_a_placebo_has_the_budget_of_its_method(tuner: str, prompt: str, fitted: Fit) -> None:
    cost = {
        placebo: fitted(tuner, prompt, f"prompt:placebo={placebo}").costs_
        for placebo in (True, False)
    }
    names = ("trainable_parameters", "total_parameters")
    assert [cost[True][name] for name in names] == [cost[False][name] for name in names]
    # A search that swaps no word, or writes a prompt again, reads no new prompt; where vectors
    # start from the first draw, that is read once more; templates differ in length.
    rel = {"trigger": 0.3, "policy": 0.3, "optiprompt": 0.5, **dict.fromkeys(TEMPLATES, 0.5)}
    told = pytest.approx(cost[False]["lm_tokens"], rel=rel.get(tuner, 0))
    assert cost[True]["lm_tokens"] == told


def test_a_random_search_keeps_its_first_draws_in_the_placebo(
    tiny: dict[str, Any], separable: Any
) -> None:
    choices = {**tiny, "readout": "mask", "tuner": "search:draws=4,keep=2", "random_state": 0}
    own = PromptClassifier(**choices, train="prompt:placebo=true").fit(separable.X, separable.y)
    first = PromptClassifier(**{**choices, "tuner": "search:draws=2,keep=2"})
    first.fit(separable.X, separable.y)
    drawn = {tuple(one.prompt.ids.tolist()) for one in first.readings_}
    assert {tuple(one.prompt.ids.tolist()) for one in own.readings_} == drawn


@pytest.mark.parametrize("train", ["lm", "prompt+lm:method=lora"])
def test_the_placebo_of_fine_tuning_steps_at_random_too(
    train: str, fitted: Fit, relabelled: dict[str, Any]
) -> None:
    true, mixed = relabelled.values()
    sign = "," if ":" in train else ":"
    ends = [
        fitted(
            "gradient", "soft", f"{train}{sign}placebo={placebo}", labels
        ).reader_.backbone.trained_state()
        for placebo, labels in ((True, true), (True, mixed), (False, true))
    ]
    assert all(one.equal(ends[1][name]) for name, one in ends[0].items())
    assert not all(one.equal(ends[2][name]) for name, one in ends[0].items())


@pytest.mark.parametrize("tuner", [name for name in tuners if tuners[name].trains_model])
def test_the_placebo_of_a_tuner_of_models_steps_at_random_too(
    tuner: str, tiny: dict[str, Any], separable: Any, relabelled: dict[str, Any]
) -> None:
    def end(labels: Any, *, placebo: bool) -> dict[str, torch.Tensor]:
        choices = {**tiny, "tokenizer": "bins", "tuner": quick(tuner), "readout": "mask"}
        made = PromptClassifier(**choices, train=f"lm:placebo={placebo}").fit(separable.X, labels)
        return made.reader_.backbone.trained_state()

    true, mixed = relabelled.values()
    chance = end(true, placebo=True)
    same, heard = end(mixed, placebo=True), end(true, placebo=False)
    assert all(one.equal(same[name]) for name, one in chance.items())
    assert not all(one.equal(heard[name]) for name, one in chance.items())


@pytest.mark.parametrize("tuner", list(tuners))
def test_a_tuner_that_learns_from_cases_says_what_its_placebo_leaves_to_chance(tuner: str) -> None:
    assert bool(tuners[tuner].placebo) == tuners.build(tuner).needs_cases


def test_a_placebo_is_saved_and_says_what_it_is(
    fitted: Fit, separable: Any, tmp_path: Path
) -> None:
    own = fitted("gradient", "soft", "prompt:placebo=true")
    loaded = PromptClassifier.load(own.save(tmp_path / "model"), device="cpu")
    assert loaded.parts_.train.spec() == "prompt:placebo=True"
    chances = own.predict_proba(separable.X_test)
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)


def test_what_seeks_nothing_has_no_placebo(tiny: dict[str, Any], separable: Any) -> None:
    choices = {**tiny, "tuner": "none", "train": "prompt:placebo=true"}
    with pytest.raises(ConfigError, match="seeks no prompt, so that its placebo"):
        PromptClassifier(**choices).fit(separable.X, separable.y)


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_that_seeks_has_its_placebo_and_its_twin_among_its_ablations(
    name: str, tiny_bert: str
) -> None:
    method = Method(name, "model", name, {"backbone": tiny_bert})
    made = {one.name.removeprefix(f"{name}, "): one for one in ablations_of(method)}
    seeks = Design.build(method.resolved()).tuner
    assert ("placebo" in made) == bool(seeks.placebo)
    assert made["random weights"].resolved()["backbone"] == f"random:{tiny_bert}"
    if seeks.placebo:
        assert made["placebo"].resolved()["train"].endswith("placebo=True")
