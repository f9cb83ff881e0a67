"""`knn`: the train cases of which the model says the most similar thing at the mask decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.base.part import require
from tsprompt.base.state import Count, numbers
from tsprompt.heads.base import NO_VALIDATION, heads
from tsprompt.heads.datastore import (
    Neighbours,
    counted_of,
    counts_up_to,
    itself,
    log_loss,
    nearest,
)
from tsprompt.heads.judgement import Judgement
from tsprompt.heads.lesson import Lesson, seen_elsewhere
from tsprompt.heads.verbalizer import WordHead

__all__ = ["KNN", "divergences"]

_ROWS = 256
"""Cases whose distributions over the vocabulary exist at once."""


@heads.register("knn")
@dataclass
class KNN(WordHead):
    """kNN prompting (Xu et al. 2023): what the model says at the mask is compared, not translated.

    Each train case is an anchor: the model's distribution p over its whole vocabulary at the mask.
    A new case with the distribution q is as far from it as D_KL(p || q), the sum over all words of
    p log(p / q), and has the class that most of its nearest anchors have. No word stands for a
    class, and nothing is trained or calibrated.

    The number of neighbours is the one with the least leave-one-out loss on train, or on the
    development sample where a class has one case alone; a case is never its own neighbour. Votes
    become probabilities by one further vote, which all classes share; half a vote for the nearest
    anchor decides ties.
    """

    quick: ClassVar[dict[str, Any]] = {"scores": "tied"}

    neighbours: int | None = None
    """How many anchors vote; None: chosen inside train, of 1, 3, 7, 15 and 31."""

    class State(WordHead.State):
        """What fitting has learned."""

        keys_: Annotated[Tensor, numbers("float32", "B", "E")]
        labels_: Annotated[Tensor, numbers("int64", "B", least=0, below="C")]
        counted_: Annotated[Tensor, numbers("float64", "B", above=0)]
        neighbours_: Count

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.neighbours is None or self.neighbours >= 1, "knn: neighbours must be 1 or more"
        )

    def _fit(self, lesson: Lesson) -> None:
        """Keep what is said of train; optional features are features like others."""
        self._check_classes(lesson.n_classes)
        self.voice_hash_ = self.met_scorer.weights_hash
        # The distributions are made of it again: they are a hundred times as large.
        self.keys_ = self._said(lesson.features)
        self.labels_ = torch.from_numpy(lesson.labels)
        weights = lesson.train_weights
        self.counted_ = counted_of(weights, len(self.labels_))
        labels = lesson.labels
        groups = np.arange(len(labels)) if lesson.groups is None else lesson.groups
        rows = np.flatnonzero(seen_elsewhere(labels, lesson.groups))
        own = None if weights is None else weights[rows]
        if lesson.development is not None and len(np.setdiff1d(labels, labels[rows])):
            self.developed_ = True
            features, truth = lesson.development
            found = self._nearest(self._said(features))
            rows, own = len(labels) + np.arange(len(truth)), lesson.development_weights
        else:
            truth = labels[rows]
            found = self._nearest(self.keys_[rows], itself(rows, groups))
        options = counts_up_to(len(np.unique(groups)) - 1, self.neighbours)
        self.neighbours_ = options[0]
        if not len(rows):  # one case of each class, and no others
            return
        said = {count: found.majority(count) for count in options}
        losses = {count: log_loss(one, truth, own) for count, one in said.items()}
        self.neighbours_ = min(losses, key=lambda count: losses[count])
        chances = said[self.neighbours_].numpy()
        self.judged = Judgement(rows, truth, chances)
        self.validation_loss_ = losses[self.neighbours_]
        self.validation_accuracy_ = float((chances.argmax(axis=1) == truth).mean())

    def _said(self, features: Tensor) -> Tensor:
        with torch.no_grad():
            return self.say(features).to("cpu", torch.float32)

    def _nearest(self, said: Tensor, excluded: Tensor | None = None) -> Neighbours:
        """The nearest anchors of what is said (b, E)."""
        distances = divergences(self.met_scorer.scores, self.keys_, said)
        classes = len(self.met_classes)
        return nearest(distances, self.labels_, classes, self.counted_, excluded)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Shares of the votes."""
        votes = self._nearest(self._said(features)).majority(self.neighbours_)
        return np.asarray(votes.numpy())

    @property
    def n_parameters(self) -> int:
        """Entries of the anchors, as they are kept."""
        return self.keys_.numel()

    def validation_kind(self) -> str:
        """Leave-one-out, or the development sample; of single cases, none."""
        if self.developed_:
            return "development sample"
        return NO_VALIDATION if np.isnan(self.validation_loss_) else "leave-one-out"


def divergences(scores: Any, keys: Tensor, said: Tensor) -> Tensor:
    """(b, B) D_KL(p || q), float64: p for each of what is said (B, E) of the anchors, q for each of
    what is said (b, E) of others. `scores` makes scores of all words of either."""
    with torch.no_grad():
        return torch.cat([_row(scores, keys, some) for some in said.split(_ROWS)]).cpu()


def _row(scores: Any, keys: Tensor, said: Tensor) -> Tensor:
    heard = scores(said).log_softmax(dim=1)
    parts = []
    for some in keys.split(_ROWS):
        own = scores(some).log_softmax(dim=1)
        chances = own.exp()
        entropy = -(chances * own).sum(dim=1)
        parts.append((-(heard @ chances.T) - entropy).clamp(min=0))
    return torch.cat(parts, dim=1).to(torch.float64)
