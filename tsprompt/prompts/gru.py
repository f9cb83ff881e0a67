"""`gru`: a random buffer through GRU and MLP gives the prompt values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require
from tsprompt.base.seeds import seeded_torch
from tsprompt.prompts.base import PromptModel, PromptModule, place, prompts, spread
from tsprompt.prompts.values import ValuesModule

__all__ = ["GRU"]

_REFERENCE = 1024
"""Random rows over which a fresh network's outputs are measured."""


@prompts.register("gru")
@dataclass
class GRU(PromptModel):
    """The first of the original attempts. Its values are mapped to vocabulary ids, and the lookup
    of the embeddings blocks the gradient: GRU and MLP stay as they were drawn. The tuner measures
    and reports that. `straight_through` lets the gradient flow.

    With ``placement=random`` mask and slice are written as well: a second buffer goes through an
    MLP, and its values are mapped to whole numbers as the others are to ids. All values are in
    units of the spread that the fresh network gives to random buffers, so that they reach all of
    the vocabulary, and all places.
    """

    tuner: ClassVar[str] = "gradient"
    tuners: ClassVar[tuple[str, ...]] = ("gradient", "surrogate", "side-network", "none")
    quick: ClassVar[dict[str, Any]] = {"hidden": 8}

    hidden: int = 64
    """Units of the GRU and of the MLPs."""
    straight_through: bool = False
    """Let a gradient through the rounding and the lookup."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden >= 1, "gru: hidden must be 1 or more")

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """The prompt before any training."""
        return self.module(slots, backbone, rng).prompt()

    def module(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> PromptModule:
        """GRU and MLPs, freshly initialised, over random buffers of P rows, and of one for each
        input that has slots of its own."""
        with seeded_torch(int(rng.integers(2**31))):
            return _Writer(self, slots, backbone).to(backbone.device)


class _Writer(ValuesModule):
    buffer: Tensor
    places_buffer: Tensor

    def __init__(self, options: GRU, slots: int, backbone: Backbone) -> None:
        writes = options.placement == "random"
        super().__init__(
            backbone,
            place("around", slots, np.random.default_rng(0)),
            options.inputs if writes else 0,
            straight_through=options.straight_through,
        )
        hidden = options.hidden
        self.register_buffer("buffer", torch.randn(1, slots, hidden))
        self.words = _InUnits(_Recurrent(hidden), torch.randn(1, _REFERENCE, hidden))
        self.writes = writes
        if writes:
            self.register_buffer("places_buffer", torch.randn(max(options.inputs, 1), hidden))
            self.places = _InUnits(_perceptron(hidden, 2), torch.randn(_REFERENCE, hidden))

    def values(self) -> Tensor:
        out: Tensor = self.words(self.buffer)
        return out[0, :, 0]

    def where(self) -> Tensor:
        if not self.writes:
            return super().where()
        own: Tensor = self.places(self.places_buffer)
        slots = self.buffer.shape[1] // len(own)
        # The mask may stand before each of the slots or behind them; a slice may cut at the mask.
        return torch.stack([spread(own[:, 0], slots + 1), spread(own[:, 1], slots + 2)], dim=1)


class _Recurrent(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.mlp = _perceptron(hidden, 1)

    def forward(self, rows: Tensor) -> Tensor:
        states, _ = self.gru(rows)
        out: Tensor = self.mlp(states)
        return out


class _InUnits(nn.Module):
    """A network whose outputs (..., K) are shifted and scaled so that, as it is drawn, they have
    mean 0 and deviation 1 over some rows."""

    mean: Tensor
    unit: Tensor

    def __init__(self, network: nn.Module, rows: Tensor) -> None:
        super().__init__()
        self.network = network
        with torch.no_grad():
            given = network(rows).flatten(0, -2)
        self.register_buffer("mean", given.mean(dim=0))
        self.register_buffer("unit", given.std(dim=0).clamp(min=1e-6))

    def forward(self, rows: Tensor) -> Tensor:
        out: Tensor = (self.network(rows) - self.mean) / self.unit
        return out


def _perceptron(hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
