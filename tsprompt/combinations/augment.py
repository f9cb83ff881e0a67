"""`augment`: each train case is learned under several prompts, by one head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.base.blocks import stacked
from tsprompt.base.state import Count
from tsprompt.combinations.base import Combination, Evidence, combinations
from tsprompt.heads import Head, Judgement, Lesson

__all__ = ["Augment"]


@combinations.register("augment")
@dataclass
class Augment(Combination):
    """Prompt augmentation: what a case says under a paraphrase of the prompt is a further example.

    All members read one draw of the tokenizer, so that a case differs from one prompt to the next
    by the prompt alone. Train under the first prompt, the second, and so on stands row below row;
    one head learns from all of them, and its predictions under all prompts are averaged. Rows of
    one case are left out together wherever the head validates: they are nearly alike.

    Paraphrased prompts: Jiang et al. (2020); the average over them: Liu et al. (2023).
    """

    streams: ClassVar[bool] = True

    class State(Combination.State):
        """What fitting has learned."""

        count_: Count

    def draw_of(self, member: int) -> int:
        """The first draw, for all."""
        return 0

    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Fit one head on the rows of all readings."""
        self.count_ = len(evidence.blocks)
        cases = np.arange(len(evidence.labels))
        extra, weights = None, evidence.weights
        if weights is not None:
            behind = np.tile(weights[len(cases) :], self.count_)
            weights = np.concatenate([np.tile(weights[: len(cases)], self.count_), behind])
        if evidence.development is not None:
            features, labels = evidence.development
            extra = self._stacked(features), np.tile(labels, self.count_)
        lesson = Lesson(
            features=self._stacked(evidence.features),
            labels=np.tile(evidence.labels, self.count_),
            n_classes=evidence.n_classes,
            seed=seed,
            optional=evidence.optional[evidence.blocks[0]],
            development=extra,
            groups=np.tile(cases, self.count_),
            weights=weights,
            unlabelled=None if evidence.unlabelled is None else self._stacked(evidence.unlabelled),
        )
        self._keep([head.fresh().fit(lesson)])

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """The mean over all prompts."""
        said = self.heads_[0].probabilities(self._stacked(features))
        return np.asarray(said.reshape(self.count_, len(features), -1).mean(axis=0))

    def judged(self, evidence: Evidence) -> Judgement | None:
        """The mean over all rows of a case, which were left out together."""
        own = self.heads_[0].judged
        if own is None:
            return None
        learned, extra = len(evidence.labels), len(evidence.all_labels) - len(evidence.labels)
        behind = own.rows - learned * self.count_
        case = np.where(behind < 0, own.rows % max(learned, 1), learned + behind % max(extra, 1))
        cases, first, number, counts = np.unique(
            case, return_index=True, return_inverse=True, return_counts=True
        )
        sums = np.zeros((len(cases), evidence.n_classes))
        np.add.at(sums, number, own.chances)
        whole = counts == self.count_
        mean = sums[whole] / self.count_
        return Judgement(cases[whole], own.labels[first][whole], mean)

    def _stacked(self, features: Tensor) -> Tensor:
        """(K * B, R) of features (B, K * R)."""
        return stacked(self._blocks(features, self.count_))
