"""`distil`: several patterns label cases for one classifier, and, if asked, for each other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from tsprompt.base.blocks import picked, read
from tsprompt.base.part import require
from tsprompt.base.seeds import derive, generator
from tsprompt.base.state import Index
from tsprompt.combinations.base import Combination, Evidence, combinations
from tsprompt.combinations.soft_labels import Chances, joined, others, surest
from tsprompt.errors import Setting
from tsprompt.heads import Head
from tsprompt.heads.lesson import Labels

__all__ = ["Distil"]


@combinations.register("distil")
@dataclass
class Distil(Combination):
    """Pattern-exploiting training, PET, and its iterative form (Schick and Schuetze 2021).

    Each prompt is a pattern, with a head fitted on train. Together they label the cases without a
    label: log-probabilities are averaged, each pattern weighted by its validation accuracy, and
    softened by the temperature. The final classifier sees the features of all patterns; it is
    fitted on these soft labels and on the true ones.

    With several `generations` (iPET) the heads are fitted anew in each: on train, and on cases that
    a random subset of the other patterns' last heads is surest about. Each class gets as many of
    these as keep its share in train; the set grows by `factor`. No head labels for itself.

    Without unlabelled cases train is labelled by itself: its folds play the unlabelled cases for
    heads that have seen the others only, and the final classifier is fitted on the mean of soft and
    true labels.
    """

    uses_unlabelled: ClassVar[bool] = True
    needs_cases: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    unjudged: ClassVar[str | None] = "it learned from labels that others gave who knew the cases"

    temperature: float = 2.0
    """What log-probabilities are divided by."""
    generations: int = 1
    """How often the patterns' heads are fitted: 1 is PET, more is iPET."""
    factor: float = 5.0
    """How many times as many cases each generation learns from as the one before."""
    share: float = 0.25
    """Share of the other patterns that label for one."""
    folds: int = 4
    """Parts of train that are labelled in turn where there are no unlabelled cases."""

    class State(Combination.State):
        """What fitting has learned."""

        sizes_: list[Index]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.temperature > 0, "distil: temperature must be positive")
        require(self.generations >= 1, "distil: generations must be 1 or more")
        require(self.factor > 1, "distil: factor must be above 1")
        require(0 < self.share <= 1, "distil: share lies above 0 and is 1 or less")
        require(self.folds >= 2, "distil: folds must be 2 or more")

    def check(self, head: Head, n_prompts: int) -> None:
        """The final classifier learns from probabilities; and patterns label for others."""
        require(
            head.takes_soft,
            f"distil: the head {head.name!r} can't learn from soft labels; use ",
            Setting("head", "ridge"),
        )
        require(
            self.generations == 1 or n_prompts > 1,
            "distil: with one prompt there is no other that could label for it; use ",
            Setting("n_prompts", 2),
            " or more, or ",
            Setting("combination", "distil:generations=1"),
        )

    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Fit the patterns' heads, let them label, and fit the final classifier."""
        true = np.eye(evidence.n_classes)[evidence.labels]
        lesson = evidence.lesson(derive(seed, "distil"))
        pool = evidence.unlabelled
        if pool is None or not len(pool):
            self.sizes_ = []
            targets = (true + self._cross_fitted(evidence, head, seed)) / 2
        else:
            patterns = _Patterns(self, evidence, head, pool, seed)
            targets = np.concatenate([true, patterns.teach(np.arange(len(true)))])
            self.sizes_ = patterns.sizes
            of_classes = evidence.class_weights()
            lesson = lesson.with_more(
                pool,
                np.full(len(pool), -1, dtype=np.intp),
                None if of_classes is None else targets[len(true) :] @ of_classes,
            )
        lesson = dataclasses.replace(lesson, chances=targets, unlabelled=None)
        self._keep([head.fresh().fit(lesson)])

    def _cross_fitted(self, evidence: Evidence, head: Head, seed: int) -> Chances:
        """Soft labels (B, C) of train, each from heads that have not seen the case."""
        fold = _folds(evidence.labels, self.folds, seed)
        soft = np.empty((len(fold), evidence.n_classes))
        for number in np.unique(fold):
            rows = np.flatnonzero(fold == number)
            pool = picked(evidence.features, torch.from_numpy(rows))
            patterns = _Patterns(self, evidence, head, pool, derive(seed, "fold", int(number)))
            soft[rows] = patterns.teach(np.flatnonzero(fold != number))
        return soft

    def probabilities(self, features: Tensor) -> Chances:
        """Those of the final classifier."""
        return self.heads_[0].probabilities(features)

    def validation_kind(self) -> str:
        """Of the final classifier; its soft labels come from heads that know the case."""
        return f"{super().validation_kind()} of true labels, beside the patterns' soft ones"

    def report(self) -> dict[str, Any]:
        """How many cases the heads of each generation learned from."""
        if self.generations == 1:
            return {}
        return {
            f"cases of generation {number}": float(size)
            for number, size in enumerate(self.sizes_, start=1)
        }


class _Patterns:
    """The patterns' heads on one part of train, and what they say of a pool without labels."""

    def __init__(
        self, options: Distil, evidence: Evidence, head: Head, pool: Tensor, seed: int
    ) -> None:
        self.options, self.evidence, self.head, self.pool = options, evidence, head, pool
        self.seed = seed
        self.blocks = evidence.blocks
        self.sizes: list[int] = []
        """Cases that the first pattern's head learned from in each generation."""
        self.chosen: list[list[tuple[Labels, Labels]]] = []
        """For each generation after the first and each pattern: cases of the pool, and the labels
        that others gave them."""
        self.teachers: list[list[list[int]]] = []
        """For each of these: the patterns that labelled."""

    def teach(self, rows: Labels) -> Chances:
        """Soft labels (U, C) of the pool, by heads that are fitted on these rows of train."""
        labels, n_classes = self.evidence.labels[rows], self.evidence.n_classes
        heads = [self._fit(k, rows, 0) for k in range(len(self.blocks))]
        self.sizes.append(len(rows))
        counts = np.bincount(labels, minlength=n_classes)
        for generation in range(1, self.options.generations):
            said = self._say(heads)
            weights = self._weights(heads)
            added = self.options.factor**generation - 1
            wanted = np.ceil(added * counts).astype(np.intp)
            teachers = [self._others(k, generation) for k in range(len(heads))]
            chosen = [surest(joined(said, weights, some, 1.0), wanted) for some in teachers]
            heads = [self._fit(k, rows, generation, own) for k, own in enumerate(chosen)]
            self.teachers.append(teachers)
            self.chosen.append(chosen)
            self.sizes.append(len(rows) + len(chosen[0][0]))
        every = list(range(len(heads)))
        return joined(self._say(heads), self._weights(heads), every, self.options.temperature)

    def _fit(
        self,
        pattern: int,
        rows: Labels,
        generation: int,
        taught: tuple[Labels, Labels] | None = None,
    ) -> Head:
        """One pattern's head, on these rows of train, and on cases of the pool with labels."""
        evidence, block = self.evidence, self.blocks[pattern]
        seed = derive(self.seed, "pattern", pattern, generation)
        lesson = evidence.lesson(seed, block, rows=rows)
        if taught is not None:
            cases, labels = taught
            added = read(self.pool[:, block], torch.from_numpy(cases).to(self.pool.device))
            of_classes = evidence.class_weights()
            counted = None if of_classes is None else of_classes[labels]
            lesson = lesson.with_more(added, labels, counted)
        return self.head.fresh().fit(lesson)

    def _say(self, heads: list[Head]) -> list[Chances]:
        """Log-probabilities (U, C) of the pool, by each pattern."""
        return [
            np.log(np.maximum(one.probabilities(self.pool[:, block]), 1e-12))
            for one, block in zip(heads, self.blocks, strict=True)
        ]

    def _weights(self, heads: list[Head]) -> list[float]:
        return [one.validation_accuracy_ for one in heads]

    def _others(self, pattern: int, generation: int) -> list[int]:
        """A random subset of the other patterns."""
        rng = generator(self.seed, "teachers", pattern, generation)
        return others(pattern, len(self.blocks), self.options.share, rng)


def _folds(labels: Labels, count: int, seed: int) -> Labels:
    """(B,) fold of each case, class by class in turn."""
    order = generator(seed, "folds").permutation(len(labels))
    fold = np.empty(len(labels), dtype=np.intp)
    start = 0
    for label in np.unique(labels):
        own = order[labels[order] == label]
        fold[own] = (start + np.arange(len(own))) % count
        start += len(own)
    return fold
