"""`lstm-fcn`: an LSTM beside convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsprompt.base.part import require
from tsprompt.baselines.base import baselines
from tsprompt.baselines.network import Network, tsai_models

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LSTMFCN"]


@baselines.register("lstm-fcn")
@dataclass
class LSTMFCN(Network):
    """The convolutions of `fcn` beside an LSTM that reads each feature as one step.

    That the LSTM takes the T values of a feature for one step is the authors' dimension shuffle.
    """

    title = "LSTM-FCN"
    source = "Karim et al. (2018); tsai"

    epochs: int = 2000
    """The most passes over train."""
    batch: int = 128
    """Cases in a step at the most."""
    hidden: int = 100
    """Units of the LSTM."""
    dropout: float = 0.8
    """Share of the LSTM's state that is left out in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden >= 1, "lstm-fcn: hidden must be 1 or more")
        require(0 <= self.dropout < 1, "lstm-fcn: dropout must be 0 to below 1")

    def _module(self, features: int, classes: int, length: int) -> nn.Module:
        model: nn.Module = tsai_models("RNN_FCN").LSTM_FCN(
            features, classes, length, hidden_size=self.hidden, rnn_dropout=self.dropout
        )
        return model
