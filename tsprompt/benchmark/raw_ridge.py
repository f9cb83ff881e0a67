"""The plain baseline: scikit-learn's ridge classifier on the values as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases, as_cases
from tsprompt.preprocessing import Preprocessing

__all__ = ["RawRidge"]


class RawRidge:
    """Series of one length (resampled to the longest of train if they differ), gaps filled by
    interpolation, flattened and standardised; the penalty by leave-one-out."""

    def fit(self, X: Any, y: Any) -> RawRidge:
        """Learn from train (B, T, F)."""
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        cases = as_cases(X)
        length = max(2, int(cases.lengths.max()))
        self._preprocessing = Preprocessing(standardise="none", length=length).fit(cases)
        ridge = RidgeClassifierCV(alphas=np.logspace(-3, 5, 17))
        self._pipeline = make_pipeline(StandardScaler(), ridge)
        self._pipeline.fit(self._flat(cases), y)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The label (B,) of each case."""
        return np.asarray(self._pipeline.predict(self._flat(as_cases(X))))

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        ridge = self._pipeline[-1]
        return int(ridge.coef_.size + np.size(ridge.intercept_))

    def _flat(self, cases: Cases) -> npt.NDArray[np.float64]:
        prepared = self._preprocessing.transform(cases)
        return np.stack([one.ravel() for one in prepared]).astype(np.float64)
