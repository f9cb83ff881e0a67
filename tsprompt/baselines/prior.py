"""`prior`: how often each class is in train, whatever the series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.baselines.base import Baseline, baselines
from tsprompt.data import Cases

__all__ = ["Prior"]


@baselines.register("prior")
@dataclass
class Prior(Baseline):
    """The share of each class in train, for every case: what there is to gain by reading series.

    Its prediction is the largest class of train, of equally large ones the first.
    """

    title = "prior class"
    source = "class counts of train"
    seeded = False

    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        self.shares_ = np.bincount(labels) / len(labels)

    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        return np.tile(self.shares_, (len(cases), 1))

    @property
    def n_parameters(self) -> int:
        """One share for each class."""
        return len(self.shares_)
