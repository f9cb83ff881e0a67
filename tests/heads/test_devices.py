"""Small networks are trained on the processor, larger ones on the device that was chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.base.accelerator import n_numbers, training_device
from tsprompt.data import Cases
from tsprompt.heads import early_stopping, heads, mlp
from tsprompt.heads.lesson import Lesson
from tsprompt.strategies import autoencoder, strategies

GPU, CPU = torch.device("cuda"), torch.device("cpu")
Seen = list[tuple[torch.device, int, int]]


def test_what_is_worth_it_goes_to_the_device() -> None:
    assert training_device(GPU, 128 * 18_432, 32) == GPU  # the head of the default recipe
    assert training_device(GPU, 128 * 100, 32) == CPU
    assert training_device(CPU, 10**9, 10**3) == CPU
    assert n_numbers(nn.Linear(3, 4)) == 16


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What the rule is asked; it says that a processor is the chosen one."""
    asked: Seen = []

    def rule(chosen: torch.device, parameters: int, rows: int) -> torch.device:
        asked.append((chosen, parameters, rows))
        return CPU

    for module in (mlp, early_stopping, autoencoder):
        monkeypatch.setattr(module, "training_device", rule)
    return asked


def lesson(device: str = "cpu") -> Lesson:
    features = torch.randn(40, 32, generator=torch.Generator().manual_seed(0))
    labels = np.arange(40) % 2
    features[:, 0] += torch.from_numpy(labels)
    return Lesson(features.to(device), labels, 2, 0)


@pytest.mark.parametrize("head", ["mlp:epochs=3,hidden=8", "prototype:epochs=3"])
def test_heads_ask_the_rule_about_what_they_train(
    seen: Seen, head: str, backbone: Backbone
) -> None:
    fitted = heads.build(head)
    fitted.meet(backbone, classes=["a", "b"])
    fitted.fit(lesson())
    [(chosen, parameters, rows)] = seen
    assert chosen == CPU
    assert parameters > 32
    assert rows == fitted.batch  # type: ignore[attr-defined]


@pytest.mark.parametrize("network", ["mlp", "conv", "lstm"])
def test_the_autoencoder_asks_about_the_chosen_device(
    seen: Seen, network: str, separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = strategies.build(f"autoencoder:network={network},epochs=2,latent=4,hidden=4")
    strategy.device = GPU
    strategy.fit_transform(Cases(separable.X), 0)
    [(chosen, parameters, rows)] = seen
    assert (chosen, rows) == (GPU, 32 if network == "mlp" else 32 * 20)
    assert parameters == strategy.n_parameters


def test_a_fit_tells_the_strategy_its_device(seen: Seen, separable: Any, tiny: Any) -> None:
    choices = {"strategy": "autoencoder:epochs=2,latent=4,hidden=4", "recipe": "fast"}
    fitted = PromptClassifier(**tiny, **choices).fit(separable.X, separable.y)
    assert fitted.parts_.strategy.device == fitted.reader_.backbone.device
    assert seen


@pytest.mark.gpu
@pytest.mark.parametrize("head", ["mlp:epochs=20", "prototype:epochs=20"])
def test_heads_learn_the_same_on_a_gpu(
    head: str, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (mlp, early_stopping):
        monkeypatch.setattr(module, "training_device", lambda chosen, *_: chosen)
    here, there = heads.build(head), heads.build(head)
    for one, device in ((here, "cpu"), (there, "cuda")):
        one.meet(backbone, classes=["a", "b"])
        one.fit(lesson(device))
    chances = [one.probabilities(lesson().features) for one in (here, there)]
    np.testing.assert_allclose(chances[1], chances[0], atol=2e-3)
