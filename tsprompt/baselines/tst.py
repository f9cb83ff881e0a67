"""`tst`: a transformer that reads timesteps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsprompt.base.part import require
from tsprompt.baselines.base import baselines
from tsprompt.baselines.network import Network, tsai_models

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TST"]


@baselines.register("tst")
@dataclass
class TST(Network):
    """The Time Series Transformer: every timestep is a token with a learned position, and layers
    are normalised over the batch.

    It is not pretrained here. A series with more timesteps than `positions` is brought to as many
    by a convolution that is learned too.
    """

    title = "TST (transformer)"
    source = "Zerveas et al. (2021); tsai"

    batch: int = 64
    """Cases in a step at the most."""
    layers: int = 3
    """How many layers there are."""
    width: int = 128
    """Size of a token."""
    heads: int = 16
    """Attention heads of a layer."""
    dropout: float = 0.1
    """Share of the numbers that is left out in training."""
    positions: int = 512
    """Tokens at the most."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = (self.layers, self.width, self.heads, self.positions)
        require(min(sizes) >= 1, "tst: layers, width, heads and positions must be 1 or more")
        require(self.width % self.heads == 0, "tst: heads must divide width")
        require(0 <= self.dropout < 1, "tst: dropout must be 0 to below 1")

    def _module(self, features: int, classes: int, length: int) -> nn.Module:
        model: nn.Module = tsai_models("TST").TST(
            features,
            classes,
            length,
            max_seq_len=self.positions,
            n_layers=self.layers,
            d_model=self.width,
            n_heads=self.heads,
            dropout=self.dropout,
        )
        return model
