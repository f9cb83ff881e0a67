"""`rocket`: random convolutional kernels of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tsprompt.base.part import require
from tsprompt.baselines.aeon_isolation import threads
from tsprompt.baselines.base import baselines
from tsprompt.baselines.convolutions import Convolutions

__all__ = ["Rocket"]


@baselines.register("rocket")
@dataclass
class Rocket(Convolutions):
    """Kernels of random length, weights, dilation and padding; a ridge reads each one's maximum
    and its proportion of positive values.

    Each case and feature is standardised by its own mean and deviation first, as aeon does.
    """

    title = "ROCKET"
    source = "Dempster, Petitjean and Webb (2020); aeon"

    kernels: int = 10_000
    """How many kernels are drawn; each gives two features."""

    def __post_init__(self) -> None:
        require(self.kernels >= 1, "rocket: kernels must be 1 or more")

    def _transforms(self, seed: int) -> Sequence[tuple[Any, Any]]:
        from aeon.transformations.collection.convolution_based import Rocket as Transformer
        from sklearn.preprocessing import StandardScaler

        transformer = Transformer(self.kernels, n_jobs=threads(), random_state=seed)
        return [(transformer, StandardScaler(with_mean=False))]
