"""The classifier as an sktime classifier: pipelines, tuning and benchmarks of sktime work with it.

>>> from tsprompt.sktime import PromptClassifier
>>> PromptClassifier(strategy="per-step", random_state=0).fit(X, y)
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sktime.classification.base import BaseClassifier

from tsprompt import classifier as core
from tsprompt.model.nested import NestedParams

__all__ = ["PromptClassifier"]

_SIGNATURE = inspect.signature(core.PromptClassifier.__init__)


class PromptClassifier(NestedParams, BaseClassifier):  # type: ignore[misc]
    """`tsprompt.PromptClassifier` with sktime's input types; the parameters are the same.

    Attributes
    ----------
    estimator_
        The fitted `tsprompt.PromptClassifier`; absent where train had one class only, which sktime
        answers by itself.

    Examples
    --------
    >>> from sktime.datasets import load_unit_test
    >>> from tsprompt.sktime import PromptClassifier
    >>> X, y = load_unit_test(split="train")
    >>> PromptClassifier(n_prompts=1, random_state=0).fit(X, y).predict(X).shape
    (20,)
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": ["tsprompt developers"],
        "maintainers": ["tsprompt developers"],
        "python_dependencies": ["torch", "transformers"],
        "X_inner_mtype": "df-list",
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "capability:missing_values": True,
        "capability:categorical_in_X": False,
        "capability:predict_proba": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = _SIGNATURE.bind(self, *args, **kwargs)
        given.apply_defaults()
        for name, value in list(given.arguments.items())[1:]:
            setattr(self, name, value)
        super().__init__()

    # sktime reads the parameters off the signature: they have one home, the core's.
    __init__.__signature__ = _SIGNATURE  # type: ignore[attr-defined]

    def _fit(self, X: list[pd.DataFrame], y: npt.NDArray[Any]) -> PromptClassifier:
        """Fit on B frames of (T_i, F) values."""
        self.estimator_ = core.PromptClassifier(**self.get_params(deep=False))
        self.estimator_.fit(X, y)
        return self

    def _predict(self, X: list[pd.DataFrame]) -> npt.NDArray[Any]:
        """Labels (B,)."""
        return self.estimator_.predict(X)

    def _predict_proba(self, X: list[pd.DataFrame]) -> npt.NDArray[np.float64]:
        """Probabilities (B, C)."""
        return self.estimator_.predict_proba(X)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Small settings for sktime's own checks."""
        small = {"n_prompts": 1, "tokenizer": "kernels:steps=8", "random_state": 0}
        return [
            {**small, "readout": "pooled:layers=1"},
            {**small, "strategy": "per-step", "backbone": "none", "device": "cpu"},
        ]
