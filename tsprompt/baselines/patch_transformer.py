"""`patch-transformer`: a vision transformer for series."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from tsprompt.base.part import require
from tsprompt.baselines.base import baselines
from tsprompt.baselines.network import Network, tsai_models

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PatchTransformer"]


@baselines.register("patch-transformer")
@dataclass
class PatchTransformer(Network):
    """A vision transformer (ViT) whose patches are stretches of a series: a token for each patch,
    and one token, read at the end, for the class.

    tsai calls it TSiT. Layers normalise their input first, as in ViT; the sizes are tsai's.
    """

    title = "TSiT (patch transformer)"
    source = "Dosovitskiy et al. (2021); tsai"

    batch: int = 64
    """Cases in a step at the most."""
    patch: int = 8
    """Timesteps of a patch; series are resampled to the next multiple of it."""
    layers: int = 6
    """How many layers there are."""
    width: int = 128
    """Size of a token."""
    heads: int = 16
    """Attention heads of a layer."""
    dropout: float = 0.1
    """Share of the numbers that is left out in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = (self.patch, self.layers, self.width, self.heads)
        require(min(sizes) >= 1, "patch-transformer: sizes must be 1 or more")
        require(self.width % self.heads == 0, "patch-transformer: heads must divide width")
        require(0 <= self.dropout < 1, "patch-transformer: dropout must be 0 to below 1")

    def _length(self, length: int) -> int:
        return self.patch * ceil(length / self.patch)  # tsai would cut off the rest

    def _module(self, features: int, classes: int, length: int) -> nn.Module:
        model: nn.Module = tsai_models("TSiTPlus").TSiTPlus(
            features,
            classes,
            length,
            token_size=self.patch,
            depth=self.layers,
            d_model=self.width,
            n_heads=self.heads,
            dropout=self.dropout,
            pre_norm=True,
            use_token=True,
        )
        return model
