"""`ridge`: scikit-learn's ridge classifier on the values as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.baselines.base import Baseline, baselines
from tsprompt.baselines.decisions import chances
from tsprompt.data import Cases
from tsprompt.preprocessings.standard import Standard

__all__ = ["Ridge"]


@baselines.register("ridge")
@dataclass
class Ridge(Baseline):
    """What the series say without tokenizer, prompt or language model.

    Series of one length (resampled to the longest of train if they differ), gaps filled by
    interpolation, flattened and standardised; the penalty by leave-one-out. Probabilities are the
    softmax (two classes: the logistic function) of the decision values, which orders them and does
    not calibrate them.
    """

    title = "ridge on raw values"
    source = "Hoerl and Kennard (1970); scikit-learn"
    seeded = False

    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        length = max(2, int(cases.lengths.max()))
        self.preprocessing_ = Standard(standardise="none", length=length).fit(cases)
        ridge = RidgeClassifierCV(alphas=np.logspace(-3, 5, 17))
        self.pipeline_ = make_pipeline(StandardScaler(), ridge)
        self.pipeline_.fit(self._flat(cases), labels)

    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        return chances(self.pipeline_.decision_function(self._flat(cases)))

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        ridge = self.pipeline_[-1]
        return int(ridge.coef_.size + np.size(ridge.intercept_))

    def _flat(self, cases: Cases) -> npt.NDArray[np.float64]:
        prepared = self.preprocessing_.complete(cases)
        return np.stack([one.ravel() for one in prepared]).astype(np.float64)
