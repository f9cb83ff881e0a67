"""`none`: no prompt; only the data and the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require
from tsprompt.errors import Setting
from tsprompt.prompts.base import PromptModel, prompts

__all__ = ["NoPrompt"]


@prompts.register("none")
@dataclass
class NoPrompt(PromptModel):
    """``[CLS] x1 .. xS [MASK] [SEP]``: the ablation that says what a prompt adds."""

    tuners: ClassVar[tuple[str, ...]] = ("none",)
    refuses: ClassVar[tuple[str, ...]] = ("length", "placement")

    length: int | None = 0
    """Always 0."""

    def __post_init__(self) -> None:
        require(self.length == 0, 'prompt "none" has no length; use ', Setting("prompt", "hard"))

    @property
    def needs_words(self) -> bool:
        """It has none."""
        return False

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """The empty prompt."""
        return Prompt(ids=None)
