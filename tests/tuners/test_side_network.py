"""The second of the original attempts: the squared error of a network beside the language model
moves what writes the prompt."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone, BatchSize
from tsprompt.base.seeds import derive
from tsprompt.data import Cases
from tsprompt.heads.base import Perceptron
from tsprompt.heads.mlp import MLP
from tsprompt.prompts.gru import GRU
from tsprompt.prompts.values import ValuesModule
from tsprompt.reading.reader import Reader
from tsprompt.readouts.mask import Mask
from tsprompt.recipes import RECIPES
from tsprompt.strategies.shared import Shared
from tsprompt.tokenizers import tokenizers
from tsprompt.tuners import Found, Problem
from tsprompt.tuners.side_network import SideNetwork, _Side


def fit(tiny: dict[str, Any], separable: Any, tuner: str) -> PromptClassifier:
    choices = {"tokenizer": "bins:words=index", "head": "mlp:epochs=5", **tiny}
    model = PromptClassifier("original-surrogate", **choices, tuner=f"side-network:{tuner}")
    return model.fit(separable.X[:, :, :1], separable.y)


@pytest.fixture
def problem(backbone: Backbone, separable: Any) -> Problem:
    cases = Cases(separable.X[:, :, :1])
    tokenizer = tokenizers.build("bins:words=index")
    tokenizer.fit(cases, backbone, max_steps=None, rng=np.random.default_rng(0))
    return Problem(
        member=0,
        cases=cases,
        labels=np.unique(separable.y, return_inverse=True)[1].astype(np.intp),
        n_classes=3,
        reader=Reader(backbone, Shared(), 16, "series", BatchSize(8192)),
        tokenizer=tokenizer,
        prompt=GRU(hidden=8, placement="random"),
        readout=Mask(),
        head=MLP(),
        slots=16,
        layers=(2,),
        seed=0,
    )


def test_the_recipe_is_the_second_attempt() -> None:
    settings = RECIPES["original-surrogate"].settings
    assert settings.prompt.startswith("gru:")
    assert "placement=random" in settings.prompt
    assert settings.tuner == "side-network"
    assert RECIPES["original-surrogate-replay"].settings.tuner == "surrogate"


def test_the_squared_error_reaches_gru_and_mlps_through_the_network_beside_the_model(
    problem: Problem,
) -> None:
    """Worked out by hand: E = 1/R |W2 relu(W1 d + a) + c - t|^2 gives
    dE/dd = 2/R W1' diag(W1 d + a > 0) W2' (g - t), which goes on into what wrote d."""
    torch.manual_seed(0)
    tuner = SideNetwork(batch=1000, side_hidden=8)
    module = problem.module(0)
    assert isinstance(module, ValuesModule)
    found = problem.read(module.prompt(), "prompt")
    side = _Side(tuner, problem, module, found)
    assert isinstance(side.network, Perceptron)
    first, _, last = side.network
    told = module.described()
    assert told.shape == (16 + 2,), "the prompt's values, the mask's place and the slice's"
    with torch.no_grad():
        inner = first.weight @ told + first.bias
        off = last.weight @ inner.clamp(min=0) + last.bias - side.target(found)
        arriving = 2 / len(off) * first.weight.T @ ((inner > 0) * (last.weight.T @ off))
    assert len(off) == 32, "the size of the mask vector"
    names, parameters = zip(*module.named_parameters(), strict=True)
    expected = torch.autograd.grad(told, parameters, grad_outputs=arriving)
    before = [one.detach().clone() for one in parameters]
    norm = side.learn()
    for name, one, own, old in zip(names, parameters, expected, before, strict=True):
        torch.testing.assert_close(one.grad, own, atol=1e-6, rtol=1e-4, msg=name)
        assert not one.equal(old), f"{name} moved"
    assert norm == pytest.approx(float(torch.stack([one.norm() for one in expected]).norm()))
    assert {name.split(".")[0] for name in names} == {"words", "places"}


def test_error_and_drift_are_of_what_the_model_said_after_each_epoch(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Tensor] = []
    original = Problem.read

    def read(self: Problem, prompt: Any, stage: str) -> Found:
        found = original(self, prompt, stage)
        said.append(found.features)
        return found

    monkeypatch.setattr(Problem, "read", read)
    tuner = SideNetwork(epochs=4, patience=4, side_hidden=8, learning_rate=0.01)
    tuner.find(problem)
    assert len(said) == 1 + 4, "once at first, and once after each epoch: the prompt has moved"
    learned, _ = problem.split(tuner.validation, derive(0, "tuner", 0))
    targets = [one[torch.from_numpy(learned)].mean(dim=0) for one in said]
    drifts = [float((b - a).square().mean()) for a, b in itertools.pairwise(targets)]
    assert tuner.drifts_ == pytest.approx(drifts)
    assert len(tuner.errors_) == len(tuner.variances_) == len(tuner.gradients_) == 4
    assert min(tuner.drifts_) > 0
    assert min(tuner.gradients_) > 0


def test_with_a_target_that_stands_still_the_network_learns_it(
    tiny: dict[str, Any], separable: Any
) -> None:
    model = fit(tiny, separable, "epochs=40,patience=40,learning_rate=0.01,moves_prompt=false")
    tuner = model.parts_.tuner
    assert isinstance(tuner, SideNetwork)
    assert tuner.drifts_ == [0.0] * 40
    assert tuner.gradients_ == [0.0] * 40
    assert tuner.errors_[-1] < 0.05 * tuner.errors_[0]
    drawn = fit(tiny, separable, "epochs=1,learning_rate=0.01")
    assert model.costs_["lm_tokens"] < drawn.costs_["lm_tokens"], "the model was run once"


def test_the_figures_of_each_epoch_are_kept_in_the_model(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    model = fit(tiny, separable, "epochs=3,learning_rate=0.01")
    report = model.report_
    tuner = model.parts_.tuner
    assert isinstance(tuner, SideNetwork)
    assert report["largest gradient at the prompt"] == max(tuner.gradients_) > 0
    assert report["its target's drift, last epoch"] == tuner.drifts_[-1] > 0
    assert report["side network's mean squared error, first epoch"] == tuner.errors_[0]
    loaded = PromptClassifier.load(model.save(tmp_path / "model"), device="cpu")
    assert loaded.parts_.tuner.state() == tuner.state()
    test = separable.X_test[:, :, :1]
    np.testing.assert_array_equal(loaded.predict_proba(test), model.predict_proba(test))
