"""`lstm`, `gru` and `rnn`: recurrent networks, which read a series step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tsprompt.base.part import require
from tsprompt.baselines.base import baselines
from tsprompt.baselines.network import Network, tsai_models

if TYPE_CHECKING:
    from torch import nn

__all__ = ["GRU", "LSTM", "RNN"]


@dataclass
class Recurrent(Network):
    """A recurrent network whose last state is classified; sizes are tsai's."""

    cell: ClassVar[str]
    """tsai's name of it."""

    hidden: int = 100
    """Units of a layer."""
    layers: int = 1
    """How many layers there are."""
    bidirectional: bool = False
    """Also read from the end."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(min(self.hidden, self.layers) >= 1, f"{self.name}: sizes must be 1 or more")

    def _module(self, features: int, classes: int, length: int) -> nn.Module:
        model: nn.Module = getattr(tsai_models("RNN"), self.cell)(
            features,
            classes,
            hidden_size=self.hidden,
            n_layers=self.layers,
            bidirectional=self.bidirectional,
        )
        return model


@baselines.register("lstm")
@dataclass
class LSTM(Recurrent):
    """Long short-term memory: a recurrent network with gates; its last state is classified."""

    title = "LSTM"
    source = "Hochreiter and Schmidhuber (1997); tsai"
    cell = "LSTM"


@baselines.register("gru")
@dataclass
class GRU(Recurrent):
    """Gated recurrent units: fewer gates than an LSTM; the last state is classified."""

    title = "GRU"
    source = "Cho et al. (2014); tsai"
    cell = "GRU"


@baselines.register("rnn")
@dataclass
class RNN(Recurrent):
    """A recurrent network without gates; its last state is classified."""

    title = "RNN"
    source = "Elman (1990); tsai"
    cell = "RNN"
