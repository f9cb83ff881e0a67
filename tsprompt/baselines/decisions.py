"""Decision values -> probabilities, for linear classifiers that have none of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["chances"]


def chances(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Softmax (B, C) of decision values (B, C), or, of two classes, the logistic function of (B,).

    That keeps their order, and does not calibrate them.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim == 1:  # the second class's, as scikit-learn has it: minus and plus half of it
        scores = np.stack([-scores / 2, scores / 2], axis=1)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
