"""`fcn`: convolutions and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsprompt.baselines.base import baselines
from tsprompt.baselines.network import Network, tsai_models

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FCN"]


@baselines.register("fcn")
@dataclass
class FCN(Network):
    """A fully convolutional network: three convolutions and a mean over time."""

    title = "FCN"
    source = "Wang, Yan and Oates (2017); tsai"

    epochs: int = 2000
    """The most passes over train."""

    def _module(self, features: int, classes: int, length: int) -> nn.Module:
        model: nn.Module = tsai_models("FCN").FCN(features, classes)
        return model
