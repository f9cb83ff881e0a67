"""`minirocket`: a fixed set of kernels, and biases drawn from train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tsprompt.base.part import require
from tsprompt.baselines.aeon_isolation import threads
from tsprompt.baselines.base import baselines
from tsprompt.baselines.convolutions import Convolutions

__all__ = ["MiniRocket"]


@baselines.register("minirocket")
@dataclass
class MiniRocket(Convolutions):
    """The 84 kernels of length 9 with two weights, at several dilations; a ridge reads how often
    each exceeds biases that are quantiles of train.
    """

    title = "MiniROCKET"
    source = "Dempster, Schmidt and Webb (2021); aeon"

    kernels: int = 10_000
    """Features at the most, in multiples of 84."""
    dilations: int = 32
    """Dilations of a kernel at the most."""

    def __post_init__(self) -> None:
        require(self.kernels >= 84, "minirocket: kernels must be 84 or more")
        require(self.dilations >= 1, "minirocket: dilations must be 1 or more")

    def _transforms(self, seed: int) -> Sequence[tuple[Any, Any]]:
        from aeon.transformations.collection.convolution_based import MiniRocket as Transformer
        from sklearn.preprocessing import StandardScaler

        transformer = Transformer(self.kernels, self.dilations, threads(), seed)
        return [(transformer, StandardScaler(with_mean=False))]
