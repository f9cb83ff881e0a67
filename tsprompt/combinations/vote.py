"""`vote`: each prompt has a head of its own, and what the heads say is averaged or counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.base.part import require_one_of
from tsprompt.base.seeds import derive
from tsprompt.base.state import Figures
from tsprompt.combinations.base import Combination, Evidence, combinations
from tsprompt.heads import Head

__all__ = ["Vote"]


@combinations.register("vote")
@dataclass
class Vote(Combination):
    """Prompt ensembling: the heads of all prompts vote (Liu et al. 2023, section 5.1)."""

    how: str = "mean"
    """`mean` of the probabilities; `weighted`: each head by its validation accuracy (Jiang et al.
    2020); `majority`: each head has one vote, and the mean decides between classes with as many."""

    class State(Combination.State):
        """What fitting has learned."""

        weights_: Figures

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "how", ("mean", "weighted", "majority"))

    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Fit one head for each reading."""
        self._keep(
            [
                head.fresh().fit(evidence.lesson(derive(seed, "vote", number), block))
                for number, block in enumerate(evidence.blocks)
            ]
        )
        self.weights_ = [one.validation_accuracy_ for one in self.heads_]

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """What the heads agree on."""
        blocks = self._blocks(features, len(self.heads_))
        each = np.stack([one.probabilities(x) for one, x in zip(self.heads_, blocks, strict=True)])
        if self.how == "weighted" and sum(self.weights_) > 0:
            return np.asarray(np.average(each, axis=0, weights=self.weights_))
        mean = np.asarray(each.mean(axis=0))
        if self.how != "majority":
            return mean
        votes = np.eye(each.shape[2])[each.argmax(axis=2)].sum(axis=0)
        return np.asarray((votes + mean) / (len(each) + 1))
