"""Discrete prompts: search with restarts, and swaps by gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones.template import Prompt
from tsprompt.errors import ConfigError
from tsprompt.tuners import Found, Problem, tuners
from tsprompt.tuners.search import Search
from tsprompt.tuners.trigger import Trigger, first_order, prompt_with


class Rewarding(Problem):
    """A problem whose losses are given: no language model is run."""

    loss_of: Callable[[Prompt], float]
    read_prompts: list[Prompt]

    def read(self, prompt: Prompt, stage: str) -> Found:
        self.read_prompts.append(prompt)
        return Found(reading=dataclasses.make_dataclass("R", ["prompt"])(prompt), features=None)  # type: ignore[arg-type]

    def validation_loss(self, found: Found) -> float:
        return self.loss_of(found.reading.prompt)


def rewarding(problem: Problem, loss_of: Callable[[Prompt], float]) -> Rewarding:
    made = Rewarding(**vars(problem))
    made.loss_of, made.read_prompts = loss_of, []
    return made


# --- search ---


def searched(problem: Problem, losses: list[float], **options: Any) -> tuple[Search, list[Found]]:
    """A search whose k-th draw has the k-th loss."""
    given = iter(losses)
    tuner = Search(draws=len(losses), **options)
    return tuner, tuner.find(rewarding(problem, lambda _: next(given)))


def test_all_draws_are_tried_without_patience(problem: Problem) -> None:
    tuner, found = searched(problem, [3.0, 1.0, 2.0, 4.0, 5.0])
    assert tuner.losses_ == [3.0, 1.0, 2.0, 4.0, 5.0]
    assert found[0].reading.prompt.equals(problem.draw(1))


def test_patience_ends_the_search(problem: Problem) -> None:
    tuner, found = searched(problem, [3.0, 1.0, 2.0, 4.0, 0.1], patience=2)
    assert tuner.losses_ == [3.0, 1.0, 2.0, 4.0]
    assert found[0].reading.prompt.equals(problem.draw(1))


def test_a_restart_forgets_what_is_least_but_not_the_best_draw(problem: Problem) -> None:
    """After the restart, 2.5 is an improvement upon 2.8, so that patience lasts until the end."""
    losses = [1.0, 2.0, 2.8, 2.5, 2.9, 3.0, 0.5]
    tuner, found = searched(problem, losses, patience=1, restarts=1)
    assert tuner.losses_ == [1.0, 2.0, 2.8, 2.5, 2.9]
    assert found[0].reading.prompt.equals(problem.draw(0))
    more, found = searched(problem, losses, patience=1, restarts=3)
    assert more.losses_ == losses
    assert found[0].reading.prompt.equals(problem.draw(6))


def test_the_best_draws_are_kept_in_order(problem: Problem) -> None:
    tuner, found = searched(problem, [3.0, 1.0, 2.0, 4.0], keep=3)
    assert tuner.n_found == 3
    assert [
        [one.reading.prompt.equals(problem.draw(k)) for k in range(4)].index(True) for one in found
    ] == [1, 2, 0]


def test_patience_waits_until_as_many_are_found_as_are_kept(problem: Problem) -> None:
    _, found = searched(problem, [1.0, 2.0, 3.0, 4.0, 5.0], patience=1, keep=3)
    assert len(found) == 3


@pytest.mark.parametrize("wrong", ["draws=0", "patience=0", "restarts=-1", "keep=3,draws=2"])
def test_search_refuses_contradictions(wrong: str) -> None:
    with pytest.raises(ConfigError, match="search:"):
        tuners.build(f"search:{wrong}")


def test_kept_draws_stand_side_by_side(tiny: dict[str, Any], separable: Any) -> None:
    model = PromptClassifier(**tiny, readout="mask", tuner="search:draws=4,keep=3")
    model.fit(separable.X, separable.y)
    assert len(model.readings_) == 3
    assert model.parts_.combination.heads_[0].weights_.shape == (3 * 32, 3)  # type: ignore[attr-defined]


# --- trigger ---


def test_a_swap_that_does_not_lower_the_loss_is_never_made(problem: Problem) -> None:
    tuner = Trigger(epochs=6, swaps=5, candidates=3, batch=12, patience=6)
    tuner.find(problem)
    assert len(tuner.tried_) == 30
    made = [(before, after) for before, after, was_made in tuner.tried_ if was_made]
    left = [(before, after) for before, after, was_made in tuner.tried_ if not was_made]
    assert made
    assert left
    assert all(after < before for before, after in made)
    assert all(after >= before for before, after in left)
    assert tuner.report()["swaps made"] == len(made)


def test_the_prompt_with_the_least_held_out_loss_is_kept(problem: Problem) -> None:
    tuner = Trigger(epochs=8, swaps=4, candidates=6, batch=12)
    (found,) = tuner.find(problem)
    report = tuner.report()
    assert report["best prompt's held-out loss"] == min(tuner.losses_)
    assert report["best prompt's held-out loss"] < report["first prompt's held-out loss"]
    assert not found.reading.prompt.equals(problem.draw(0))
    assert found.reading.prompt.vectors is None
    assert found.reading.prompt.ids is not None
    plain = set(problem.reader.backbone.words.plain)
    assert set(found.reading.prompt.ids.tolist()) <= plain
    # What it gives is what the model says under that prompt.
    again = problem.read(found.reading.prompt, "again")
    torch.testing.assert_close(again.features, found.features)


def test_rounds_are_compared_by_their_prompts_alone(problem: Problem) -> None:
    """A round that swaps nothing, or swaps back, has the loss that the prompt had before."""

    class Idle(Trigger):
        def _round(self, problem: Problem, prompt: Prompt, *rest: Any) -> Prompt:
            return prompt_with(
                prompt, 0, problem.reader.backbone.words.plain[len(self.losses_) % 2]
            )

    tuner = Idle(epochs=6, patience=6)
    tuner.find(problem)
    assert len(tuner.losses_) == 7
    assert len(set(tuner.losses_[1:])) == 2
    assert tuner.losses_[1::2] == [tuner.losses_[1]] * 3
    assert tuner.losses_[2::2] == [tuner.losses_[2]] * 3


def test_first_order_picks_what_the_gradient_promises() -> None:
    vectors = torch.tensor([[1.0, 0.0], [-3.0, 0.0], [0.0, 5.0], [-1.0, 1.0]])
    ids = torch.tensor([10, 11, 12, 13])
    assert first_order(torch.tensor([1.0, 0.0]), vectors, ids, 2).tolist() == [11, 13]
    assert first_order(torch.tensor([0.0, -1.0]), vectors, ids, 1).tolist() == [12]


def test_first_order_candidates_beat_random_ones_on_average(problem: Problem) -> None:
    """By the true loss, over many slots and batches."""
    from tsprompt.base.seeds import seeded_torch
    from tsprompt.tuners.accumulation import Accumulation
    from tsprompt.tuners.training import TrainFeatures
    from tsprompt.tuners.trigger import Written

    tuner, backbone = Trigger(), problem.reader.backbone
    tuner._accumulation = Accumulation()
    plain = torch.tensor(backbone.words.plain)
    chosen, drawn = [], []
    with seeded_torch(0):
        for number in range(6):
            found = problem.read(problem.draw(number), "")
            trainer = tuner._coached(problem, found)
            features = TrainFeatures(problem, found)
            prompt = found.reading.prompt
            module = Written(prompt, prompt.fill(backbone))
            loss = trainer.loss(features.of(module, trainer.learn), trainer.learn)
            (gradient,) = torch.autograd.grad(loss, module.vectors)
            assert gradient.abs().sum() > 0
            for slot in range(len(prompt)):
                best = first_order(gradient[slot], backbone.embed(plain), plain, 4)
                random = plain[torch.randperm(len(plain))[:4]]
                for words, kept in ((best, chosen), (random, drawn)):
                    for word in words.tolist():
                        swapped = prompt_with(prompt, slot, word)
                        kept.append(
                            tuner._loss(problem, swapped, trainer, features, trainer.learn)
                            - float(loss.detach())
                        )
    assert np.mean(chosen) < np.mean(drawn)
    assert np.mean(np.array(chosen) < 0) > np.mean(np.array(drawn) < 0)


@pytest.mark.parametrize("head", ["ridge", "label-words:scores=tied", "prototype"])
def test_trigger_goes_with_any_head(head: str, tiny: dict[str, Any], separable: Any) -> None:
    tuner = Trigger(epochs=2, swaps=2, candidates=2)
    model = PromptClassifier(**tiny, readout="mask", head=head, tuner=tuner)
    model.fit(separable.X, separable.y)
    assert model.report_["swaps tried"] == 4
    assert np.isfinite(model.predict_proba(separable.X_test)).all()


def test_trigger_reads_steps_alone_too(tiny: dict[str, Any], separable: Any) -> None:
    options = {"scope": "step", "tokenizer": "bins", "strategy": "per-step"}
    model = PromptClassifier(
        **tiny, **options, readout="mask", tuner=Trigger(epochs=1, swaps=2, candidates=2)
    )
    assert np.isfinite(model.fit(separable.X, separable.y).predict_proba(separable.X_test)).all()


# --- saved, and alike again ---


@pytest.mark.parametrize(
    ("tuner", "head"),
    [
        ("trigger:epochs=2,swaps=2,candidates=2", "auto-words:scores=tied"),
        ("policy:rounds=2,batch=3,cases=6", "label-words:scores=tied"),
        ("search:draws=4,patience=2,restarts=1,keep=2", "ridge"),
    ],
)
def test_a_saved_model_says_the_same(
    tuner: str, head: str, tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    def fit() -> PromptClassifier:
        model = PromptClassifier(**tiny, readout="mask", tuner=tuner, head=head)
        return model.fit(separable.X, separable.y)

    fitted = fit()
    chances = fitted.predict_proba(separable.X_test)
    assert np.array_equal(fit().predict_proba(separable.X_test), chances)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    assert loaded.report_ == fitted.report_
