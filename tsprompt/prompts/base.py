"""What every prompt model does: draw a prompt, and, if it is trainable, be a torch module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.part import Part, require, require_one_of
from tsprompt.base.registry import Registry
from tsprompt.base.seeds import generator
from tsprompt.errors import ConfigError, Setting

__all__ = [
    "FixedPrompt",
    "Places",
    "PromptModel",
    "PromptModule",
    "normal_to_ids",
    "place",
    "prompts",
    "spread",
]

prompts: Registry[PromptModel] = Registry("prompt")

Places = tuple[int | tuple[int, ...], int | tuple[int, ...]]
"""`before` and `mask` of a prompt, or of the prompt of each step."""

_REACH = 3.0
"""Standard deviations of the normal distribution that the vocabulary is spread over."""


class PromptModule(nn.Module, ABC):
    """A prompt while it is being trained."""

    @abstractmethod
    def forward(self) -> Prompt:
        """The prompt as it is now, with a graph back to what is trained."""

    def prompt(self) -> Prompt:
        """The prompt as it is now, on its own."""
        with torch.no_grad():
            now: Prompt = self()
        return now.settled()


class FixedPrompt(PromptModule):
    """A prompt that stays as it is while something else is trained."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        self.fixed = prompt.settled()

    def forward(self) -> Prompt:
        """That prompt."""
        return self.fixed


@dataclass
class PromptModel(Part):
    """Fills the prompt slots."""

    tuner: ClassVar[str] = "none"
    """The tuner that finds this prompt unless another is asked for."""
    tuners: ClassVar[tuple[str, ...]] = ("none", "search")
    """All tuners that can, but for those that say so themselves; see `Tuner.finds`."""
    by_layer: ClassVar[bool] = False
    """Whether it stands beside the tokens of every layer, and not in slots of the input."""
    of_vectors: ClassVar[bool] = False
    """Whether it is made of free vectors, so that another model's training can start from it."""
    resumes: ClassVar[bool] = False
    """Whether its own training can start from a prompt that was saved; see `resume`."""

    inputs = 0
    """Inputs of a case that each have some of the slots for themselves, and so a slice and a mask;
    0: there is one prompt. Set it before a draw."""
    length: int | None = None
    """Prompt tokens (for each step, with `per-step`); None: what the strategy uses."""
    placement: str = "around"
    """Of a prompt that stands around the data: half of it before them, the rest and the mask after
    them (`around`), or split at random with the mask at a random place in it (`random`). Where a
    step is read alone with a prompt of its own, it stands around the step with `random` alone."""

    def __post_init__(self) -> None:
        require(
            self.length is None or self.length >= 1,
            f"{self.name}: length must be 1 or more; for no prompt use ",
            Setting("prompt", "none"),
        )
        require_one_of(self, "placement", ("around", "random"))

    @property
    def needs_words(self) -> bool:
        """Whether it is made of words, which a model of images has not."""
        return True

    def slots_of(self, backbone: Backbone, default: int) -> int:
        """How many slots it fills (for each step, with `per-step`); `default` is the strategy's.

        Raises
        ------
        ConfigError
            It has no meaning with this backbone.
        """
        return default if self.length is None else self.length

    @abstractmethod
    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """A prompt for P slots."""

    def draw_for(
        self, member: int, number: int, slots: int, backbone: Backbone, seed: int
    ) -> Prompt:
        """The `number`-th draw for one member of an ensemble: each has random numbers of its own,
        unless the prompt model says how the members' prompts hang together."""
        return self.draw(slots, backbone, generator(seed, "prompt", member, number))

    def module(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> PromptModule:
        """The prompt as a module, for the tuners that train it; of words that stay as they are
        drawn it has no parameters."""
        return FixedPrompt(self.draw(slots, backbone, rng))

    def place(self, slots: int, rng: np.random.Generator) -> Places:
        """Where P slots are split and the mask stands in them; of each input that has some."""
        if not (self.inputs and self.placement == "random"):
            return place(self.placement, slots, rng)
        own = [place(self.placement, slots // self.inputs, rng) for _ in range(self.inputs)]
        return tuple(before for before, _ in own), tuple(mask for _, mask in own)

    def resume(self, start: Prompt, slots: int, backbone: Backbone) -> PromptModule:
        """A trained prompt as a module, to go on from: for the prompts that say `resumes`.

        Raises
        ------
        ConfigError
            It is of another length or kind.
        """
        raise ConfigError(f"the prompt {self.name!r} can't start from one that was saved")


def place(placement: str, slots: int, rng: np.random.Generator) -> tuple[int, int]:
    """(before, mask) of one prompt of P slots."""
    if placement == "random":
        return int(rng.integers(0, slots + 2)), int(rng.integers(0, slots + 1))
    return slots // 2, slots


def normal_to_ids(values: Tensor, size: int) -> Tensor:
    """Places (P,) in a vocabulary of `size` entries, real numbers, of standard-normal values (P,).

    Three standard deviations either side span the vocabulary; what lies beyond stays at its ends.
    """
    return spread(values, size).clamp(0, size - 1)


def spread(values: Tensor, size: int) -> Tensor:
    """The same places, but for those beyond the ends: they stay there, and a gradient brings them
    back."""
    return (values + _REACH) / (2 * _REACH) * (size - 1)
