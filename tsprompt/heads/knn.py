"""`knn`: the train cases of which the model says the most similar thing at the mask decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NotRequired

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.base.blocks import blocks, picked, read
from tsprompt.base.part import require
from tsprompt.base.state import Count, Index, numbers
from tsprompt.heads.base import NO_VALIDATION, heads
from tsprompt.heads.datastore import (
    Neighbours,
    counted_of,
    counts_up_to,
    deciding,
    itself,
    log_loss,
    nearest,
)
from tsprompt.heads.judgement import Judgement
from tsprompt.heads.lesson import Lesson, seen_elsewhere
from tsprompt.heads.verbalizer import ScoringHead, WordHead

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
    development sample where a class has one case alone; a case is never its own neighbour, and at
    most 4,000 cases, drawn at random, choose. Votes become probabilities by one further vote, which
    all classes share; half a vote for the nearest anchor decides ties.
    """

    quick: ClassVar[dict[str, Any]] = {"scores": "tied"}

    decided_ = 0
    """Cases that chose the number of neighbours, where these were drawn from train; 0: all."""

    neighbours: int | None = None
    """How many anchors vote; None: chosen inside train, of 1, 3, 7, 15 and 31."""

    class State(ScoringHead.State):
        """What fitting has learned."""

        keys_: Annotated[Tensor, numbers("float32", "B", "E")]
        labels_: Annotated[Tensor, numbers("int64", "B", least=0, below="C")]
        counted_: Annotated[Tensor, numbers("float64", "B", above=0)]
        neighbours_: Count
        decided_: NotRequired[Index]

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
        self.keys_ = self.hear_all(lesson.features)
        self.labels_ = torch.from_numpy(lesson.labels)
        weights = lesson.train_weights
        self.counted_ = counted_of(weights, len(self.labels_))
        labels = lesson.labels
        groups = np.arange(len(labels)) if lesson.groups is None else lesson.groups
        fair = np.flatnonzero(seen_elsewhere(labels, lesson.groups))
        if lesson.development is not None and len(np.setdiff1d(labels, labels[fair])):
            self.developed_ = True
            features, known = lesson.development
            some = deciding(np.arange(len(known)), lesson.seed, self.name)
            asked = self.hear_all(picked(features, torch.from_numpy(some)))
            rows, truth, excluding = len(labels) + some, known[some], None
            own = lesson.development_weights
        else:
            rows = some = deciding(fair, lesson.seed, self.name)
            asked, truth, own = picked(self.keys_, torch.from_numpy(rows)), labels[rows], weights
            excluding = groups
        own = None if own is None else own[some]
        options = counts_up_to(len(np.unique(groups)) - 1, self.neighbours)
        self.neighbours_ = options[0]
        if not len(rows):  # one case of each class, and no others
            return
        if len(rows) < len(fair):
            self.decided_ = len(rows)
        each = [
            self._nearest(
                read(asked, part),
                None if excluding is None else itself(rows[part], excluding),
            )
            for part in _parts(len(rows))
        ]
        said = {count: torch.cat([one.majority(count) for one in each]) for count in options}
        losses = {count: log_loss(one, truth, own) for count, one in said.items()}
        self.neighbours_ = min(losses, key=lambda count: losses[count])
        chances = said[self.neighbours_].numpy()
        self.judged = Judgement(rows, truth, chances)
        self.validation_loss_ = losses[self.neighbours_]
        self.validation_accuracy_ = float((chances.argmax(axis=1) == truth).mean())

    def _nearest(self, said: Tensor, excluded: Tensor | None = None) -> Neighbours:
        """The nearest anchors of what is said (b, E)."""
        distances = divergences(self.met_scorer.scores, self.keys_, said)
        classes = len(self.met_classes)
        return nearest(distances, self.labels_, classes, self.counted_, excluded)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Shares of the votes."""
        said = self.hear_all(features)
        votes = [
            self._nearest(read(said, part)).majority(self.neighbours_)
            for part in _parts(len(features))
        ]
        none = torch.empty(0, len(self.met_classes), dtype=torch.float64)
        return np.asarray(torch.cat([none, *votes]).numpy())

    @property
    def n_parameters(self) -> int:
        """Entries of the anchors, as they are kept."""
        return self.keys_.numel()

    def validation_kind(self) -> str:
        """Leave-one-out, or the development sample; of single cases, none."""
        if self.developed_:
            return "development sample"
        if np.isnan(self.validation_loss_):
            return NO_VALIDATION
        return "leave-one-out" + (f" on {self.decided_:,} cases" if self.decided_ else "")


def divergences(scores: Any, keys: Tensor, said: Tensor) -> Iterator[Tensor]:
    """(b, n) D_KL(p || q), float64, for some anchors after others: p for each of what is said
    (B, E) of the anchors, q for each of what is said (b, E) of others. `scores` makes scores of all
    words of either."""
    with torch.no_grad():
        heard = scores(said).log_softmax(dim=1)
        for _, block in blocks(keys):
            for some in block.split(_ROWS):
                own = scores(some).log_softmax(dim=1)
                chances = own.exp()
                entropy = -(chances * own).sum(dim=1)
                apart = (-(heard @ chances.T) - entropy).clamp(min=0)
                yield apart.cpu().to(torch.float64)


def _parts(count: int) -> Iterator[slice]:
    """So many rows, as many at a time as may have a distribution."""
    for start in range(0, count, _ROWS):
        yield slice(start, start + _ROWS)
