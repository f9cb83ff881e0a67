"""AutoPrompt: which cases propose a swap and which judge it; its words as a start of vectors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.backbones.template import Prompt
from tsprompt.errors import ConfigError
from tsprompt.prompts import prompts
from tsprompt.tuners import Found, Problem, tuners
from tsprompt.tuners.gradient import Gradient
from tsprompt.tuners.optiprompt import OptiPrompt
from tsprompt.tuners.training import TrainFeatures
from tsprompt.tuners.trigger import Trigger

pytestmark = pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice")


# --- a fresh batch judges ---


def asked_of(problem: Problem, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[list[Any]]:
    """(whether a gradient was asked, the cases) of each batch of each swap."""
    swaps: list[list[Any]] = []
    swap, of = Trigger._swap, TrainFeatures.of

    def start(self: Trigger, *given: Any) -> Prompt:
        swaps.append([])
        return swap(self, *given)

    def ask(self: TrainFeatures, module: Any, cases: Tensor) -> Tensor:
        swaps[-1].append((module().learns, frozenset(cases.tolist())))
        return of(self, module, cases)

    monkeypatch.setattr(Trigger, "_swap", start)
    monkeypatch.setattr(TrainFeatures, "of", ask)
    Trigger(epochs=2, swaps=3, candidates=2, **options).find(problem)
    return swaps


@pytest.mark.parametrize("batch", [5, 24])
def test_candidates_are_judged_on_cases_that_the_gradient_has_not_seen(
    batch: int, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    swaps = asked_of(problem, monkeypatch, batch=batch)
    assert len(swaps) == 6
    for (with_gradient, seen), *judged in swaps:
        assert with_gradient
        fresh = {cases for _, cases in judged}
        assert not any(gradient for gradient, _ in judged)
        # The prompt as it is and its candidates are judged on the same cases: none of those seen.
        assert len(judged) == 1 + 2
        assert len(fresh) == 1
        assert not seen & next(iter(fresh))
        assert 0 < len(seen) <= min(batch, 9)  # 18 of 24 are learned from
    assert len({seen for (_, seen), *_ in swaps}) > 1


def test_a_swap_is_made_where_the_fresh_batch_falls(problem: Problem) -> None:
    """What is compared are losses of one batch: before is not the loss of the gradient's batch."""
    losses: list[float] = []

    class Told(Trigger):
        def _loss(self, *given: Any) -> float:
            losses.append(super()._loss(*given))
            return losses[-1]

    tuner = Told(epochs=1, swaps=1, candidates=3, batch=6)
    tuner.find(problem)
    before, *tried = losses
    assert tuner.tried_ == [[before, min(tried), float(min(tried) < before)]]


def test_what_a_prompt_makes_the_model_say_is_not_run_again(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a round's first swap, the prompt as it is has been read with all of train."""
    run: list[Prompt] = []
    hidden = type(problem.reader).hidden

    def spy(self: Any, tokens: Any, prompt: Prompt, *rest: Any) -> Any:
        if not prompt.learns:
            run.append(prompt.settled())
        return hidden(self, tokens, prompt, *rest)

    monkeypatch.setattr(type(problem.reader), "hidden", spy)
    read: list[Prompt] = []
    reads = Problem.read

    def note(self: Problem, prompt: Prompt, stage: str) -> Found:
        read.append(prompt)
        return reads(self, prompt, stage)

    monkeypatch.setattr(Problem, "read", note)
    Trigger(epochs=3, swaps=1, candidates=2).find(problem)
    assert len(run) == 3 * 2  # the candidates alone
    assert not run[0].equals(read[0])


# --- words as a start ---


@pytest.fixture(scope="module")
def words(tiny: dict[str, Any], separable: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model whose words AutoPrompt has found."""
    model = PromptClassifier(
        "autoprompt",
        **{**tiny, "tokenizer": "kernels:steps=8", "prompt": "hard:length=4"},
        tuner="trigger:epochs=2,swaps=2,candidates=2",
    )
    return model.fit(separable.X, separable.y).save(tmp_path_factory.mktemp("words") / "model")


def starts_of(monkeypatch: pytest.MonkeyPatch) -> list[Prompt]:
    """The prompts that training will have started from."""
    starts: list[Prompt] = []
    descend = Gradient.descend

    def spy(self: Gradient, problem: Problem, module: Any, first: Found) -> Any:
        starts.append(module.prompt())
        again = problem.read(module.prompt(), "again").features
        torch.testing.assert_close(first.features, again)
        return descend(self, problem, module, first)

    monkeypatch.setattr(Gradient, "descend", spy)
    return starts


SOFT = {
    "soft": "soft:length=4",
    "soft-words": 'soft-words:template="a {series} b [MASK] c d"',
}


@pytest.mark.parametrize("prompt", SOFT)
def test_found_words_of_a_saved_model_start_vectors(
    prompt: str,
    words: Path,
    tiny: dict[str, Any],
    separable: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = PromptClassifier.load(words, device="cpu").readings_[0].prompt.ids
    starts = starts_of(monkeypatch)
    own = {**tiny, "tokenizer": "kernels:steps=8", "readout": "mask", "prompt": SOFT[prompt]}
    model = PromptClassifier(
        "prompt-tuning", **own, tuner="gradient:epochs=2,hidden=8", prompt_from=words
    ).fit(separable.X, separable.y)
    backbone = model.reader_.backbone
    (start,) = starts
    assert ids is not None
    assert start.ids is None
    assert start.vectors is not None
    assert torch.equal(start.vectors, backbone.embed(ids))
    trained = model.readings_[0].prompt.vectors
    assert trained is not None
    assert not torch.equal(trained, start.vectors)


def test_words_that_the_same_fit_has_found_start_vectors(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Found] = []
    starts = starts_of(monkeypatch)

    class Told(OptiPrompt):
        def search_words(self, problem: Problem) -> Found:
            found.append(super().search_words(problem))
            return found[-1]

    soft = dataclasses.replace(problem, prompt=prompts.build("soft"))
    search = "trigger:epochs=6,swaps=4,candidates=6"
    tuner = Told(epochs=2, hidden=8, search=search)
    (trained,) = tuner.find(soft)
    (start,) = starts
    ids = found[0].reading.prompt.ids
    assert ids is not None
    assert start.vectors is not None
    assert torch.equal(start.vectors, problem.reader.backbone.embed(ids))
    # They are AutoPrompt's: the same as that search alone finds.
    (alone,) = tuners.build(search).find(problem)
    assert found[0].reading.prompt.equals(alone.reading.prompt)
    assert not alone.reading.prompt.equals(problem.draw(0))
    assert not trained.reading.prompt.equals(start)
    report = tuner.report()
    assert report["swaps tried"] >= 4
    assert report["epochs of training"] == 2


def test_the_recipe_saves_and_loads(tiny: dict[str, Any], separable: Any, tmp_path: Path) -> None:
    tuner = 'optiprompt:epochs=2,hidden=8,search="trigger:epochs=1,swaps=2,candidates=2"'
    own = {**tiny, "tokenizer": "kernels:steps=8", "prompt": "soft:length=4", "tuner": tuner}
    model = PromptClassifier("optiprompt", **own).fit(separable.X, separable.y)
    loaded = PromptClassifier.load(model.save(tmp_path / "model"), device="cpu")
    chances = model.predict_proba(separable.X_test)
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    assert loaded.report_ == model.report_
    assert model.report_["swaps tried"] == 2


def test_what_can_not_be_a_start_is_refused(
    words: Path, tiny: dict[str, Any], separable: Any
) -> None:
    own = {**tiny, "tokenizer": "kernels:steps=8", "prompt": "soft:length=6", "prompt_from": words}
    with pytest.raises(ConfigError, match=r"has 4 slots, and this model has 6.*soft:length=4"):
        PromptClassifier("prompt-tuning", **own).fit(separable.X, separable.y)
    with pytest.raises(ConfigError, match="finds no words; use one of: search, trigger, policy"):
        tuners.build("optiprompt:search=gradient")
