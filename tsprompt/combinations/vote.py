"""`vote`: each prompt has a head of its own, and their probabilities are averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.combinations.base import Combination, Evidence, combinations
from tsprompt.heads import Head
from tsprompt.seeds import derive

__all__ = ["Vote"]


@combinations.register("vote")
@dataclass
class Vote(Combination):
    """Prompt ensembling: the mean of what the heads of all prompts say (Liu et al. 2023, 5.1)."""

    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Fit one head for each reading."""
        heads = []
        for number, block in enumerate(evidence.blocks):
            one = head.fresh()
            one.fit(
                evidence.features[:, block],
                evidence.labels,
                evidence.n_classes,
                derive(seed, "vote", number),
                evidence.optional[block],
            )
            heads.append(one)
        self._keep(heads)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """The mean over the heads."""
        blocks = self._blocks(features, len(self.heads_))
        each = [one.probabilities(block) for one, block in zip(self.heads_, blocks, strict=True)]
        return np.asarray(np.mean(each, axis=0))
