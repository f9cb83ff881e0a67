"""`inception-time`: an ensemble of Inception networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsprompt.baselines.base import baselines
from tsprompt.baselines.network import Network, tsai_models

if TYPE_CHECKING:
    from torch import nn

__all__ = ["InceptionTime"]


@baselines.register("inception-time")
@dataclass
class InceptionTime(Network):
    """Convolutions of three lengths side by side, six deep with shortcuts; the mean of five
    networks that differ in their random numbers.
    """

    title = "InceptionTime"
    source = "Ismail Fawaz et al. (2020); tsai"

    batch: int = 64
    """Cases in a step at the most."""
    members: int = 5
    """Networks whose probabilities are averaged."""

    def _module(self, features: int, classes: int, length: int) -> nn.Module:
        model: nn.Module = tsai_models("InceptionTime").InceptionTime(features, classes)
        return model
