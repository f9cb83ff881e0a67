"""What ROCKET and its successors have in common: many convolutions, and one ridge classifier."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.baselines.aeon_isolation import isolated
from tsprompt.baselines.base import Baseline
from tsprompt.baselines.decisions import chances
from tsprompt.data import Cases
from tsprompt.preprocessings.standard import Standard

__all__ = ["Convolutions"]


@dataclass
class Convolutions(Baseline):
    """Features by aeon's transformers, scaled on train; scikit-learn's ridge on all of them.

    Gaps are filled; values are left as they are. Series are resampled to the longest of train, but
    to `shortest` timesteps at the least. The ridge's penalty is the one of ten
    from 0.001 to 1,000 with the least leave-one-out error. Probabilities are the softmax of its
    decision values, where aeon gives 1 to one class: they are ordered, and not calibrated.
    """

    packages = ("aeon",)
    extra = "baselines"
    shortest = 9
    """Timesteps that a kernel of MiniRocket spans."""

    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        from sklearn.linear_model import RidgeClassifierCV

        length = max(self.shortest, int(cases.lengths.max()))
        self.preprocessing_ = Standard(standardise="none", length=length).fit(cases)
        values = self._values(cases)
        self.transforms_ = self._transforms(seed)
        with isolated():
            features = [
                scaler.fit_transform(transformer.fit_transform(values))
                for transformer, scaler in self.transforms_
            ]
        self.ridge_ = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))
        self.ridge_.fit(np.concatenate(features, axis=1), labels)

    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        values = self._values(cases)
        with isolated():
            features = [
                scaler.transform(transformer.transform(values))
                for transformer, scaler in self.transforms_
            ]
        return chances(self.ridge_.decision_function(np.concatenate(features, axis=1)))

    @property
    def n_parameters(self) -> int:
        """The ridge's weights and biases; kernels are drawn, not learned."""
        return int(self.ridge_.coef_.size + np.size(self.ridge_.intercept_))

    @abstractmethod
    def _transforms(self, seed: int) -> Sequence[tuple[Any, Any]]:
        """Transformers, unfitted, each with the scaler of its features."""

    def _values(self, cases: Cases) -> npt.NDArray[np.float64]:
        """(B, F, T), as aeon has them."""
        prepared = self.preprocessing_.complete(cases)
        return np.stack([one.T for one in prepared]).astype(np.float64)
