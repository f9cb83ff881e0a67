"""The number that is explained: log-odds of the predicted class against the runner-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.data import IntArray

__all__ = ["Contrast"]

Chances = npt.NDArray[np.float64]
_TINY = 1e-12
"""What a probability is at the least: log-odds stay within 28."""


@dataclass(frozen=True)
class Contrast:
    """For each of B cases the two classes that are compared."""

    predicted: IntArray
    """(B,) class numbers."""
    runner_up: IntArray
    """(B,)"""

    @classmethod
    def of(cls, chances: Chances) -> Contrast:
        """The two likeliest classes by probabilities (B, C)."""
        # As `argmax` decides: of equal ones the first.
        order = np.argsort(-chances, axis=1, kind="stable")
        return cls(order[:, 0], order[:, 1])

    def take(self, index: IntArray) -> Contrast:
        """Those of some cases."""
        return Contrast(self.predicted[index], self.runner_up[index])

    def scores(self, chances: Chances) -> npt.NDArray[np.float64]:
        """(B,) log-odds, of probabilities (B, C)."""
        logs, rows = np.log(np.maximum(chances, _TINY)), np.arange(len(chances))
        return np.asarray(logs[rows, self.predicted] - logs[rows, self.runner_up])
