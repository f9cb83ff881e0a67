"""`matching`: the class whose pairs fit best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.pair_scorer import pair_scorer
from tsprompt.backbones.vocabulary import find_words
from tsprompt.backbones.word_scores import SCORERS
from tsprompt.base.part import require, require_one_of
from tsprompt.heads.base import heads
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.verbalizer import ClassScores

__all__ = ["Matching"]


@heads.register("matching")
@dataclass
class Matching(ClassScores):
    """A case is paired with something of every class; how well each pair fits decides.

    With ``scores=next`` a pair fits as much as the model holds its second part for the next
    sentence (NSP-BERT, Sun et al. 2022); else as much as it prefers the first of two words to the
    second at the mask. A class's score is the mean of ``log P(fits)`` over its pairs, and its
    probability the softmax of that over the classes: with one pair, ``P(fits)`` over the sum of all
    classes'.
    """

    quick: ClassVar[dict[str, Any]] = {"words": ("a", "b")}
    needs_pairs: ClassVar[bool] = True
    needs_words: ClassVar[bool] = True
    without_cases: ClassVar[str | None] = "matching:fitted=false"

    scores: str = "next"
    """Who says it: the model's own head for the `next` sentence, at [CLS]; its own head for masked
    words (`model`) at [MASK]; or there its word embeddings (`tied`)."""
    words: tuple[str, ...] = ("yes", "no")
    """At [MASK]: the word for a fit, and the word for none."""
    fitted: bool = True
    """Fit a temperature and a bias for each class on train; false: take the scores as they are, and
    learn nothing from labels."""
    calibrate: bool = False
    """Take off each class's mean score over train, or over the cases without labels, so that what
    fits everything does not win each time (Zhao et al. 2021)."""

    def __post_init__(self) -> None:
        require_one_of(self, "scores", ("next", *SCORERS))
        self.words = tuple(map(str, self.words))
        require(len(self.words) == 2, "matching: words are two: for a fit, and for none")

    @property
    def asks_mask(self) -> bool:
        """Whether it asks for words at [MASK], and not at [CLS]."""
        return self.scores != "next"

    @property
    def asks_speaker(self) -> bool:
        """With `scores=model`."""
        return self.scores == "model"

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Find the scorer."""
        ids = find_words(self.words, self.name, backbone) if self.asks_mask else None
        words = None if ids is None else (ids[0], ids[1])
        self.hear(pair_scorer(backbone, self.scores, len(classes), words), classes)

    def say(self, features: Tensor) -> Tensor:
        """(b, C) the mean of log P(fits) over the pairs of each class, of features (b, K * D): the
        pairs stand in the order of the classes, again and again."""
        size, count = self.met_scorer.size, len(self.met_classes)
        require(
            features.shape[1] % (size * count) == 0,
            f"{self.name}: there are {features.shape[1]} features, which are no states of {size} "
            f"entries for pairs with each of {count} classes; read the mask",
        )
        return self.met_scorer.say(features.unflatten(1, (-1, count, size))).mean(dim=1)

    def choose(self, evidence: Any, lesson: Lesson) -> list[list[int]]:
        """A class is told by its own pairs."""
        return [[number] for number in range(len(self.met_classes))]

    def _names(self, ids: Sequence[Sequence[int]]) -> list[list[str]]:
        return [[self.met_classes[number]] for (number,) in ids]

    @property
    def needs_cases(self) -> bool:
        """As it is asked for."""
        return self.fitted
