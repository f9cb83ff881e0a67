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
from tsprompt.prompts.base import PromptModel, PromptModule, place, prompts
from tsprompt.prompts.values import ValuesModule

__all__ = ["GRU"]


@prompts.register("gru")
@dataclass
class GRU(PromptModel):
    """The first of the original attempts. Its values are mapped to vocabulary ids, and the lookup
    of the embeddings blocks the gradient: GRU and MLP stay as they were drawn. The tuner measures
    and reports that. `straight_through` lets the gradient flow."""

    tuner: ClassVar[str] = "gradient"
    tuners: ClassVar[tuple[str, ...]] = ("gradient", "surrogate", "none")
    quick: ClassVar[dict[str, Any]] = {"hidden": 8}

    hidden: int = 64
    """Units of the GRU and of the MLP."""
    straight_through: bool = False
    """Let a gradient through the rounding and the lookup."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden >= 1, "gru: hidden must be 1 or more")

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """The prompt before any training."""
        return self.module(slots, backbone, rng).prompt()

    def module(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> PromptModule:
        """GRU and MLP, freshly initialised, over a random buffer of P rows."""
        before, mask = place(self.placement, slots, rng)
        with seeded_torch(int(rng.integers(2**31))):
            module = _Writer(
                slots, self.hidden, backbone, before, mask, straight_through=self.straight_through
            )
        return module.to(backbone.device)


class _Writer(ValuesModule):
    def __init__(
        self,
        slots: int,
        hidden: int,
        backbone: Backbone,
        before: int,
        mask: int,
        *,
        straight_through: bool,
    ) -> None:
        super().__init__(backbone, before, mask, straight_through=straight_through)
        self.register_buffer("buffer", torch.randn(1, slots, hidden))
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def values(self) -> Tensor:
        states, _ = self.gru(self.buffer)
        out: Tensor = self.mlp(states)[0, :, 0]
        return out
