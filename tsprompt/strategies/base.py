"""What every strategy does: prepare the cases, count the slots, lay out the template."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from tsprompt.backbones.template import FRAME, Prompt, Template
from tsprompt.base.part import Part
from tsprompt.base.registry import Registry
from tsprompt.data import Cases

__all__ = ["Strategy", "strategies"]

strategies: Registry[Strategy] = Registry("strategy")


@dataclass
class Strategy(Part):
    """Builds the template from 3-D input."""

    by_step: ClassVar[bool] = False
    """Whether each step has a prompt of its own."""
    keeps_channels: ClassVar[bool] = True
    """Whether the tokenizer gets the features as they are."""
    device = torch.device("cpu")
    """Where networks of its own are trained, if that is worth it: set it before a fit."""
    default_length: ClassVar[int]
    """Prompt tokens (for each step, if `by_step`) where the prompt does not say."""

    def fit_transform(self, cases: Cases, seed: int) -> Cases:
        """Learn what the preparation of the cases needs, and prepare train."""
        return cases

    def transform(self, cases: Cases) -> Cases:
        """Prepare cases (B x T x F) for the tokenizer."""
        return cases

    def slots(self, length: int, steps: int) -> int:
        """P, for a prompt of this length and S steps."""
        return length * steps if self.by_step else length

    def max_steps(self, positions: int, length: int, width: int) -> int:
        """The most steps of W tokens that fit into the model's positions beside the prompt."""
        if self.by_step:
            return (positions - len(FRAME)) // (width + length)
        return (positions - len(FRAME) - length) // width

    @abstractmethod
    def template(self, steps: int, width: int, slots: int, prompt: Prompt) -> Template:
        """Lay out S steps of W tokens and P slots; the prompt says where they and the mask go."""

    @property
    def n_parameters(self) -> int:
        """How many numbers it has learned."""
        return 0

    def report(self) -> dict[str, Any]:
        """Figures of the fit that belong beside the accuracy."""
        return {}
