"""`buffer`: prompt values that are parameters themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.prompts.base import Places, PromptModel, PromptModule, prompts
from tsprompt.prompts.values import ValuesModule

__all__ = ["Buffer"]


@prompts.register("buffer")
@dataclass
class Buffer(PromptModel):
    """One trainable value for each slot, mapped to a vocabulary id."""

    tuner: ClassVar[str] = "surrogate"
    tuners: ClassVar[tuple[str, ...]] = ("surrogate", "gradient", "none")

    straight_through: bool = False
    """Let a gradient through the rounding and the lookup."""

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """The prompt before any training."""
        return self.module(slots, backbone, rng).prompt()

    def module(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> PromptModule:
        """Standard-normal values for P slots."""
        values = torch.from_numpy(rng.standard_normal(slots))
        places = self.place(slots, rng)
        inputs = self.inputs if self.placement == "random" else 0
        return _Values(values, backbone, places, inputs, straight_through=self.straight_through)


class _Values(ValuesModule):
    def __init__(
        self,
        values: Tensor,
        backbone: Backbone,
        places: Places,
        inputs: int,
        *,
        straight_through: bool,
    ) -> None:
        super().__init__(backbone, places, inputs, straight_through=straight_through)
        self.parameter = nn.Parameter(values.to(backbone.device, torch.float32))

    def values(self) -> Tensor:
        return self.parameter
