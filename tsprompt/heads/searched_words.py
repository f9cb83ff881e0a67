"""`searched-words`: one word for each class, the best of many assignments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from tsprompt.base.blocks import blocks, mapped, picked
from tsprompt.base.part import require
from tsprompt.errors import ConfigError, InputError
from tsprompt.heads.answer import fit_answer
from tsprompt.heads.base import heads
from tsprompt.heads.lesson import Labels, Lesson, hold_out
from tsprompt.heads.verbalizer import Verbalizer
from tsprompt.heads.weighing import as_tensor, cross_entropy, mean_of, relative

__all__ = ["SearchedWords", "assign"]

_FOLLOWED = 1_000
"""Assignments of words to the first classes that are followed to the next."""


@heads.register("searched-words")
@dataclass
class SearchedWords(Verbalizer):
    """The search for label words of LM-BFF (Gao, Fisch and Chen 2021, section 5.1).

    Of the whole words, each class gets those with the largest sum over its train cases of
    ``log P([MASK] = v | x)``. Of all ways to give each class one of them, no word twice, those are
    kept whose scores alone are right for the most train cases. These are ranked anew: with each, a
    temperature and a bias for each class are fitted on most of train, and the one that is right
    for the most of the rest is taken.

    With more than two classes, assignments are put together class by class, and the best 1,000 are
    followed.
    """

    quick: ClassVar[dict[str, Any]] = {"scores": "tied", "candidates": 10, "assignments": 3}

    calibrate: bool = False
    """Take off each word's mean score over train before assignments are compared; the paper does
    not."""
    candidates: int = 100
    """Words of each class among which is searched."""
    assignments: int = 20
    """Assignments that are ranked anew; 1: the best by its scores alone is taken."""
    validation: float = 0.25
    """Share of train by which they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (self.candidates, self.assignments)
        require(min(counts) >= 1, "searched-words: counts must be 1 or more")
        require(0 < self.validation < 1, "searched-words: validation lies between 0 and 1")

    def choose(self, evidence: Tensor, lesson: Lesson) -> list[list[int]]:
        """The assignment that does best on held-out cases of train, once it is fitted."""
        if not len(lesson.labels):
            raise ConfigError(
                "searched-words: words can't be searched without labels; use label-words"
            )
        learn, validate = self._parts(lesson)
        seen, asked = (picked(evidence, torch.from_numpy(one)) for one in (learn, validate))
        labels, told = torch.from_numpy(lesson.labels[learn]), lesson.train_weights
        weights = as_tensor(None if told is None else told[learn])
        ids = self._likely(seen, lesson.without_features.of_rows(learn))
        scores = mapped(seen, lambda some: self._of_each(some, ids))
        if self.calibrate:
            centre = mean_of(scores, weights)
            scores = mapped(scores, lambda some: some - centre)
        found = assign(scores, labels, ids, self.assignments, weights=weights)
        del scores
        best = found[0]
        if len(found) > 1 and len(validate):
            parts = (seen, learn), (asked, validate)
            best = max(found, key=lambda one: self._held(one, lesson, *parts))
        return [[one] for one in best]

    def _of_each(self, said: Tensor, ids: list[Tensor]) -> Tensor:
        """(b, C, K) scores of the words of each class."""
        return torch.stack([self._score(said, own) for own in ids], dim=1)

    def _parts(self, lesson: Lesson) -> tuple[Labels, Labels]:
        """The cases that words are searched by, and those that rank what was found."""
        every = torch.arange(len(lesson.labels)).numpy()
        if self.assignments == 1:
            return every, every[:0]
        try:
            return hold_out(lesson.labels, self.validation, lesson.seed, lesson.groups)
        except InputError:  # one case of each class: what they have in common is all there is
            return every, every[:0]

    def _likely(self, said: Tensor, lesson: Lesson) -> list[Tensor]:
        """(C) the ids (K,) of the words that are likeliest in the cases of each class."""
        candidates = torch.tensor(self.vocabulary.plain)
        count = min(self.candidates, len(candidates))
        require(
            len(candidates) >= lesson.n_classes,
            f"searched-words: the vocabulary has {len(candidates)} whole words, fewer than there "
            "are classes",
        )
        weights = as_tensor(lesson.train_weights)
        inside = torch.nn.functional.one_hot(
            torch.from_numpy(lesson.labels), lesson.n_classes
        ).double()
        inside = inside if weights is None else inside * weights[:, None]
        sums = torch.zeros(lesson.n_classes, len(candidates), dtype=torch.float64)
        for rows, scores in self.scores_of_words(said):
            sums += inside[rows].T @ scores.log_softmax(dim=1)[:, candidates]
        count = max(count, min(lesson.n_classes, len(candidates)))  # so that each finds one
        return [candidates[own.argsort(descending=True, stable=True)[:count]] for own in sums]

    def _held(
        self,
        words: list[int],
        lesson: Lesson,
        learn: tuple[Tensor, Labels],
        validate: tuple[Tensor, Labels],
    ) -> tuple[float, float]:
        """Accuracy on the held-out cases of these words, fitted on the others; of equal ones the
        loss decides. What is said of either (n, E), and which cases they are."""
        (seen, rows), (asked, others) = learn, validate
        weights, labels = lesson.train_weights, torch.from_numpy(lesson.labels)
        counted = as_tensor(None if weights is None else weights[rows])
        answer = self._unfitted(seen, [[one] for one in words], counted)
        own = self._all_scores(seen, answer.flat)
        answer = fit_answer(answer, own, labels[rows], counted, weighs=self.weighs)
        scores = self._classes(answer, asked)
        right = (scores.argmax(dim=1) == labels[others]).double()
        count = relative(weights, others)
        loss = float(cross_entropy(scores, labels[others], count))
        return float(mean_of(right, count)), -loss


def assign(
    scores: Tensor,
    labels: Tensor,
    ids: list[Tensor],
    count: int,
    *,
    weights: Tensor | None = None,
    followed: int = _FOLLOWED,
) -> list[list[int]]:
    """The `count` best ways to give each of C classes a word of its own.

    Parameters
    ----------
    scores
        (B, C, K) of the words in each case.
    labels
        (B,) class numbers.
    ids
        (C) the words (K,) of each class, the likeliest first.
    weights
        (B,) how much each case counts; None: all alike.
    followed
        How many assignments to the first classes are followed to the next one.

    Returns
    -------
    For each the words (C,), those first that are right for most cases, as these count; of equal
    ones, those whose words come first.
    """
    chosen = torch.empty(1, 0, dtype=torch.long)
    each = torch.ones(len(labels)) if weights is None else weights
    each = each.to(torch.float64)
    for number, words in enumerate(ids):
        hits = torch.zeros(len(chosen), len(words), dtype=torch.float64)
        for rows, some in blocks(scores):
            top, right = _so_far(some, labels[rows], chosen)
            hits += torch.stack(
                [
                    _told(labels[rows] == number, own, top, right).double() @ each[rows]
                    for own in some[:, number].T
                ],
                dim=1,
            )
        for k in range(number):
            hits[words == ids[k][chosen[:, k]][:, None]] = -1  # the word is taken
        order = hits.flatten().argsort(descending=True, stable=True)
        order = order[hits.flatten()[order] >= 0][:followed]
        before, word = order // len(words), order % len(words)
        chosen = torch.cat([chosen[before], word[:, None]], dim=1)
    return [
        [int(words[one]) for words, one in zip(ids, row, strict=True)]
        for row in chosen[:count].tolist()
    ]


def _so_far(scores: Tensor, labels: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Of assignments (A, c) to the first c classes: the largest score (A, b) of these in cases
    (b, C, K), and whether it is that of the case's class."""
    top = torch.full((len(chosen), len(labels)), -torch.inf, dtype=scores.dtype)
    right = torch.zeros(len(chosen), len(labels), dtype=torch.bool)
    for number, words in enumerate(chosen.T):
        own = scores[:, number].T[words]
        right = _told(labels == number, own, top, right)
        top = torch.maximum(top, own)
    return top, right


def _told(inside: Tensor, own: Tensor, top: Tensor, right: Tensor) -> Tensor:
    """Which cases (A, b) are right with one more class, whose word has these scores; `inside` (b,):
    which are of the class."""
    wins = own > top
    return torch.where(inside, wins, right & ~wins)
