"""`multirocket-hydra`: two families of convolutions, read by one ridge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import require
from tsprompt.baselines.aeon_isolation import threads
from tsprompt.baselines.base import baselines
from tsprompt.baselines.convolutions import Convolutions

__all__ = ["MultiRocketHydra"]


@baselines.register("multirocket-hydra")
@dataclass
class MultiRocketHydra(Convolutions):
    """MultiRocket's four statistics of MiniRocket's kernels, on values and first differences,
    beside Hydra's counts of which kernel of a group matches best.
    """

    title = "MultiROCKET-Hydra"
    source = "Tan et al. (2022), Dempster, Schmidt and Webb (2023); aeon"
    shortest = 10
    """First differences are one fewer."""

    kernels: int = 8
    """Kernels in a group of Hydra."""
    groups: int = 64
    """Groups of Hydra at each dilation."""
    rocket_kernels: int = 6_250
    """Kernels of MultiRocket; each gives eight features."""

    def __post_init__(self) -> None:
        require(self.kernels >= 1, "multirocket-hydra: kernels must be 1 or more")
        require(self.groups >= 2, "multirocket-hydra: groups must be 2 or more")
        require(self.rocket_kernels >= 84, "multirocket-hydra: rocket_kernels must be 84 or more")

    def _transforms(self, seed: int) -> Sequence[tuple[Any, Any]]:
        from aeon.transformations.collection.convolution_based import HydraTransformer, MultiRocket
        from sklearn.preprocessing import StandardScaler

        hydra = HydraTransformer(
            self.kernels,
            self.groups,
            n_jobs=threads(),
            random_state=seed,
            output_type="numpy",
        )
        rocket = MultiRocket(self.rocket_kernels, n_jobs=threads(), random_state=seed)
        return [(hydra, _SparseScaler()), (rocket, StandardScaler())]


class _SparseScaler:
    """Standardise the square roots of counts (B, R); a count of nought stays nought.

    A feature that is mostly nought is divided by more than its deviation (Dempster, Schmidt and
    Webb 2023).
    """

    def fit_transform(self, counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        roots = np.sqrt(counts.clip(0))
        self.mean = roots.mean(axis=0)
        self.unit = roots.std(axis=0, ddof=1) + (roots == 0).mean(axis=0) ** 4 + 1e-8
        return self.transform(counts)

    def transform(self, counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        roots = np.sqrt(counts.clip(0))
        return np.asarray((roots - self.mean) * (roots != 0) / self.unit)
