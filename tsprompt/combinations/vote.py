"""`vote`: each prompt has a head of its own, and what the heads say is averaged or counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.base.part import require_one_of
from tsprompt.base.seeds import derive
from tsprompt.base.state import Figures
from tsprompt.combinations.base import Combination, Evidence, combinations
from tsprompt.heads import Head, Judgement
from tsprompt.heads.base import softmax

__all__ = ["Vote"]


@combinations.register("vote")
@dataclass
class Vote(Combination):
    """Prompt ensembling: the heads of all prompts vote (Liu et al. 2023, section 5.1)."""

    streams: ClassVar[bool] = True

    how: str = "mean"
    """`mean` of the probabilities; `log-mean`, of their logarithms, made probabilities again (the
    rank-based ensemble of Jiang et al. 2020, equation 3); `weighted`: each head by its validation
    accuracy; `majority`: each head has one vote, and the mean decides between classes with as
    many."""

    class State(Combination.State):
        """What fitting has learned."""

        weights_: Figures

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "how", ("mean", "log-mean", "weighted", "majority"))

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
        return self._joined(each, self.weights_)

    def judged(self, evidence: Evidence) -> Judgement | None:
        """Of each case what those heads agree on that had not learned from it (the jackknife+ after
        the bootstrap, Kim, Xu and Barber 2020)."""
        labels = evidence.all_labels
        said = np.full((len(self.heads_), len(labels), evidence.n_classes), np.nan)
        for own, head in zip(said, self.heads_, strict=True):
            if head.judged is None:
                return None
            own[head.judged.rows] = head.judged.chances
        heard = ~np.isnan(said).any(axis=2)
        for which in np.unique(heard, axis=1).T:
            rows = np.flatnonzero((which == heard.T).all(axis=1))
            if which.any():
                weights = [one for one, is_in in zip(self.weights_, which, strict=True) if is_in]
                said[0, rows] = self._joined(said[which][:, rows], weights)
        rows = np.flatnonzero(heard.any(axis=0))
        return Judgement(rows, labels[rows], said[0, rows])

    def _joined(self, each: npt.NDArray[np.float64], weights: list[float]) -> npt.NDArray[Any]:
        """(B, C) of what some heads say (k, B, C)."""
        if self.how == "weighted" and sum(weights) > 0:
            return np.asarray(np.average(each, axis=0, weights=weights))
        if self.how == "log-mean":
            tiny = np.finfo(np.float64).tiny
            return softmax(np.log(np.maximum(each, tiny)).mean(axis=0))
        mean = np.asarray(each.mean(axis=0))
        if self.how != "majority":
            return mean
        votes = np.eye(each.shape[2])[each.argmax(axis=2)].sum(axis=0)
        return np.asarray((votes + mean) / (len(each) + 1))
