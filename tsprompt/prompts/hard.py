"""`hard`: random words of the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require_one_of
from tsprompt.prompts.base import PromptModel, normal_to_ids, prompts

__all__ = ["Hard"]


@prompts.register("hard")
@dataclass
class Hard(PromptModel):
    """Discrete prompt tokens. Alone they are random; with the tuner `search` the best draw wins."""

    tuners: ClassVar[tuple[str, ...]] = ("none", "search", "trigger", "policy")

    draws: str = "uniform"
    """`uniform` over the vocabulary's whole words; `normal`: standard-normal values mapped to the
    vocabulary ids in order, as in the original experiments."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "draws", ("uniform", "normal"))

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """P random words."""
        if self.draws == "normal":
            values = torch.from_numpy(rng.standard_normal(slots))
            ids = normal_to_ids(values, len(backbone.word_vectors)).round().long()
        else:
            ids = torch.from_numpy(rng.choice(backbone.words.plain, size=slots))
        before, mask = self.place(slots, rng)
        return Prompt(ids=ids, before=before, mask=mask)
