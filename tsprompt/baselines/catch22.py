"""`catch22`: 22 statistics of each feature, and a random forest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import require
from tsprompt.baselines.aeon_isolation import isolated, threads
from tsprompt.baselines.base import Baseline, baselines
from tsprompt.data import Cases
from tsprompt.preprocessings.resample import resample
from tsprompt.preprocessings.standard import Standard

__all__ = ["Catch22"]

_SHORTEST = 9
"""Timesteps from which all statistics can be told."""


@baselines.register("catch22")
@dataclass
class Catch22(Baseline):
    """The 22 canonical characteristics of each case and feature, read by a random forest.

    Gaps are filled; series keep their lengths, but those shorter than 9 timesteps are resampled to
    9. Statistics that a case has no value of, as a flat one, become 0.
    """

    title = "catch22 + forest"
    source = "Lubba et al. (2019), Breiman (2001); aeon and scikit-learn"
    packages = ("aeon",)
    extra = "baselines"

    trees: int = 500
    """Trees of the forest."""
    level: bool = False
    """Also mean and standard deviation (catch24)."""

    def __post_init__(self) -> None:
        require(self.trees >= 1, "catch22: trees must be 1 or more")

    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        from aeon.transformations.collection.feature_based import Catch22 as Transformer
        from sklearn.ensemble import RandomForestClassifier

        self.preprocessing_ = Standard(standardise="none").fit(cases)
        self.transformer_ = Transformer(
            catch24=self.level, outlier_norm=True, replace_nans=True, n_jobs=threads()
        )
        self.forest_ = RandomForestClassifier(self.trees, random_state=seed, n_jobs=threads())
        self.forest_.fit(self._features(cases), labels)
        self.forest_.n_jobs = 1  # several threads would add up the trees' votes in any order

    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        return np.asarray(self.forest_.predict_proba(self._features(cases)))

    def _features(self, cases: Cases) -> npt.NDArray[np.float64]:
        """(B, 22 F)."""
        prepared = [
            one if len(one) >= _SHORTEST else resample(one[None], _SHORTEST)[0]
            for one in self.preprocessing_.complete(cases)
        ]
        series = [one.T.astype(np.float64) for one in prepared]  # (F, T), as aeon has them
        with isolated():
            return np.asarray(self.transformer_.fit_transform(series))
