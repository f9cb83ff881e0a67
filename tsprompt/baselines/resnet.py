"""`resnet`: convolutions with shortcuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsprompt.baselines.base import baselines
from tsprompt.baselines.network import Network, tsai_models

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ResNet"]


@baselines.register("resnet")
@dataclass
class ResNet(Network):
    """Three blocks of three convolutions, each with a shortcut, and a mean over time."""

    title = "ResNet"
    source = "Wang, Yan and Oates (2017); tsai"

    def _module(self, features: int, classes: int, length: int) -> nn.Module:
        model: nn.Module = tsai_models("ResNet").ResNet(features, classes)
        return model
