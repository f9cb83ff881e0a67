"""What a fitted classifier says besides labels and probabilities: scores, sets, features."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from tsprompt.data import as_cases, label_array
from tsprompt.model.fitted import Fitted
from tsprompt.model.layout import layout

__all__ = ["Answers"]


class Answers(TransformerMixin):  # type: ignore[misc]
    """Methods that scikit-learn's tools ask of a classifier, and sets of classes. Goes before the
    estimator's own base class."""

    axes: str
    fitted_: Fitted

    def _progress(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def _log_chances(self, X: Any) -> npt.NDArray[np.float64]:
        """(B, C) what a softmax makes the probabilities of."""
        check_is_fitted(self, "fitted_")
        cases = as_cases(X, axes=self.axes)
        with self._progress():
            return self.fitted_.design.combination.log_chances(self.fitted_.features(cases))

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Logarithms (B, C) of the class probabilities, exact also where these are nearly 0.

        Raises
        ------
        InputError
            X can't be used, or has other features than train.
        """
        return np.asarray(log_softmax(self._log_chances(X), axis=1))

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Scores (B, C), of which a softmax makes the probabilities: the largest wins. Of two
        classes (B,), the log-odds of the second: it wins above 0.

        Raises
        ------
        InputError
            X can't be used, or has other features than train.
        """
        scores = self._log_chances(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict_set(self, X: Any, coverage: float = 0.9, *, by: str = "all") -> npt.NDArray[Any]:
        """Which classes (B, C), in the order of `classes_`, may be the true one of each case.

        The true class is among them in at least this share of cases, if they are of the kind of
        train. No class at all, or nearly all of them, says that a case is unlike train. See
        `tsprompt.model.calibration`.

        Parameters
        ----------
        coverage
            The share, between 0 and 1.
        by
            `all`: the share is one of all cases together; `class`: of each class by itself.

        Raises
        ------
        InputError
            X can't be used, or there are too few cases to calibrate with.
        ConfigError
            The coverage is not between 0 and 1, or the model has nothing to calibrate with.
        """
        check_is_fitted(self, "fitted_")
        calibration = self.fitted_.calibrated(coverage, by)
        cases = as_cases(X, axes=self.axes)
        with self._progress():
            chances = self.fitted_.probabilities(cases)
        return calibration.sets(chances, coverage, by=by)

    def calibrate_on(self, X: Any, y: Any) -> Any:
        """Take these cases to make the sets of `predict_set` by, instead of those of train.

        Parameters
        ----------
        X
            (B, T, F) cases that the model was not fitted on, as `fit` takes them.
        y
            (B,) their labels.

        Raises
        ------
        InputError
            X or y can't be used, or y has a class that train lacks.
        """
        check_is_fitted(self, "fitted_")
        cases = as_cases(X, axes=self.axes)
        labels = label_array(y, len(cases))
        with self._progress():
            self.fitted_.calibrate_on(cases, labels)
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """What the head sees of cases: features (B, R), those of all prompts side by side.

        Raises
        ------
        InputError
            X can't be used, or has other features than train.
        """
        check_is_fitted(self, "fitted_")
        cases = as_cases(X, axes=self.axes)
        with self._progress():
            return np.asarray(self.fitted_.features(cases).float().cpu().numpy())

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """Names (R,) of what `transform` gives: the prompt's number, and that of the feature."""
        check_is_fitted(self, "fitted_")
        width = layout(self.fitted_).features // len(self.fitted_.readings)
        return np.array(
            [
                f"prompt{prompt}_{number}"
                for prompt in range(len(self.fitted_.readings))
                for number in range(width)
            ],
            dtype=object,
        )
