"""`concatenate`: the features of all prompts side by side, under one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.combinations.base import Combination, Evidence, combinations
from tsprompt.heads import Head, Judgement, Linear

__all__ = ["Concatenate"]


@combinations.register("concatenate")
@dataclass
class Concatenate(Combination):
    """One head sees what all prompts make the model say."""

    takes_sums: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Fit the head."""
        self._keep([head.fresh().fit(evidence.lesson(seed))])

    def keep(self, head: Head) -> None:
        """Take a head that was fitted elsewhere, on all features."""
        self._keep([head])

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Those of the head."""
        return self.heads_[0].probabilities(features)

    def linear(self) -> Linear | None:
        """That of the head."""
        return self.heads_[0].linear()

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Those of the head."""
        return self.heads_[0].log_chances(features)

    def judged(self, evidence: Evidence) -> Judgement | None:
        """What the head said."""
        return self.heads_[0].judged
