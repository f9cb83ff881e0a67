"""`1nn-dtw`: the nearest neighbour under dynamic time warping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import require
from tsprompt.baselines.aeon_isolation import isolated
from tsprompt.baselines.base import Baseline, baselines
from tsprompt.data import Cases
from tsprompt.preprocessings.standard import Standard

__all__ = ["NearestByDTW"]


@baselines.register("1nn-dtw")
@dataclass
class NearestByDTW(Baseline):
    """One nearest neighbour under dynamic time warping, on series of any length.

    Gaps are filled and values standardised as ours are. The warping window is the whole series
    unless one is given: it is not searched for, as that takes a leave-one-out run over train for
    each candidate.
    """

    title = "1NN-DTW"
    source = "Sakoe and Chiba (1978); aeon"
    packages = ("aeon",)
    extra = "baselines"
    seeded = False

    window: float = 1.0
    """Share of the length by which a match may be shifted."""

    def __post_init__(self) -> None:
        require(0 <= self.window <= 1, "1nn-dtw: window lies between 0 and 1")

    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        from aeon.classification.distance_based import KNeighborsTimeSeriesClassifier

        self.preprocessing_ = Standard().fit(cases)
        self.model_ = KNeighborsTimeSeriesClassifier(
            n_neighbors=1, distance="dtw", distance_params={"window": self.window}
        )
        series = self._prepared(cases)
        with isolated():
            self.model_.fit(series, labels)

    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        series = self._prepared(cases)
        with isolated():
            nearest = self.model_.predict(series)
        return np.eye(len(self.classes_))[nearest]

    def _prepared(self, cases: Cases) -> list[npt.NDArray[np.float64]]:
        """Series (F, T), as aeon has them."""
        return [one.T.astype(np.float64) for one in self.preprocessing_.transform(cases)]
