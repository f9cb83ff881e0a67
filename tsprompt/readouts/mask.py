"""The state at the mask, as it is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tsprompt.readouts.base import Readout, readouts

__all__ = ["Mask"]


@readouts.register("mask")
@dataclass
class Mask(Readout):
    """What the model says at the mask; by itself the last layer, as in the original experiments."""

    @property
    def reads_data(self) -> bool:
        """At the mask alone."""
        return False

    def pool(self, data: Tensor, mask: Tensor) -> Tensor:
        """(b, N' * M * D)."""
        return mask.flatten(1)

    def divides(self, scope: str) -> bool:
        """Where each step is read alone, its features are those at its own mask."""
        return scope == "step"

    def divide(self, data: Tensor, mask: Tensor, mean: Tensor, weights: Tensor) -> Tensor:
        """Each step by its own features."""
        apart = mask - mean.view(mask.shape[1:])
        return torch.einsum("bnkd,nkdc->bkc", apart, weights.view(*mask.shape[1:], -1))
