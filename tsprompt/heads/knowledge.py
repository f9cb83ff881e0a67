"""`knowledge`: many words for each class, refined by what the model says about train."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.base.blocks import blocks, mapped
from tsprompt.base.part import require
from tsprompt.heads.base import heads
from tsprompt.heads.class_words import spell_words, words_of_classes
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.verbalizer import Verbalizer
from tsprompt.heads.weighing import mean_of, relative

__all__ = ["Knowledge", "expand", "log_prior", "relevance"]


@heads.register("knowledge")
@dataclass
class Knowledge(Verbalizer):
    """The verbalizer of KPT (Hu et al. 2022), with the model's own vocabulary as thesaurus.

    A class has its name, words that you know of it, and those whose vectors are nearest to these.
    They are refined by what the model says about train, whatever its labels: words that it hardly
    ever expects go (frequency), and so do those whose scores over the cases go with other classes'
    names as much as with their own (relevance). Each word's chance is divided by its mean chance
    (contextual calibration), and the shares of the words in their class are learned.
    """

    without_cases: ClassVar[str | None] = "knowledge:fitted=false"
    weighs: ClassVar[bool] = True

    words: str | None = None
    """Your knowledge base, ``calm/quiet/still|wild/rough``: the first word of each class is its
    name, which stays; the others are refined as all words are. None: the names of the classes."""
    neighbours: int = 20
    """Words of the vocabulary by which each class is expanded; 0: yours alone."""
    keep: float = 0.5
    """Share of the words that stay for how often the model expects them; 1 keeps all."""
    denoise: bool = True
    """Drop words that are not relevant to their class."""
    fitted: bool = True
    """Learn the words' shares, and a temperature and a bias for each class; false: average the
    calibrated chances of each class's words, and learn nothing from labels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.words = spell_words(self.words)
        require(self.neighbours >= 0, "knowledge: neighbours must be 0 or more")
        require(0 < self.keep <= 1, "knowledge: keep lies above 0, and is 1 at the most")

    @property
    def needs_cases(self) -> bool:
        """As it is asked for."""
        return self.fitted

    @property
    def of_chances(self) -> bool:
        """Where nothing is fitted (Hu et al. 2022, section 3.4)."""
        return not self.fitted

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Find the scorer, the words of the classes, and their neighbours."""
        super().meet(backbone, classes=classes)
        seeds = words_of_classes(self.words, classes, backbone.words, self.name)
        self.met_ids = expand(seeds, self.met_scorer.vectors, backbone.words.plain, self.neighbours)

    def evidence(self, said: Tensor) -> Tensor:
        """(B, 2, M) scores of the expanded words, and their log-chances among the whole
        vocabulary."""
        ids = torch.tensor([one for own in self.met_ids for one in own])

        def tell(some: Tensor) -> Tensor:
            parts = [
                torch.stack([scores[:, ids], scores.log_softmax(dim=1)[:, ids]], dim=1)
                for _, scores in self.scores_of_words(some)
            ]
            return torch.cat(parts)

        return mapped(said, tell)

    def prior(self, said: Tensor, ids: Tensor, weights: Tensor | None) -> Tensor:
        """(M,) logarithms of the words' mean chances."""
        return log_prior(
            (scores.log_softmax(dim=1)[:, ids] for _, scores in self.scores_of_words(said)),
            weights,
        )

    def choose(self, evidence: Tensor, lesson: Lesson) -> list[list[int]]:
        """Those of the expanded words that stand the test; a class's name always does."""
        weights = relative(lesson.train_weights) if len(lesson.labels) == len(evidence) else None
        scores = evidence[:, 0]
        prior = log_prior((some[:, 1] for _, some in blocks(evidence)), weights)
        edge = prior.quantile(1 - self.keep)
        sizes = [len(own) for own in self.met_ids]
        parts, priors = scores.split(sizes, dim=1), prior.split(sizes)
        names = scores[:, [0, *np.cumsum(sizes)[:-1].tolist()]]
        chosen = []
        for number, (ids, part, own) in enumerate(zip(self.met_ids, parts, priors, strict=True)):
            stays = own >= edge
            if self.denoise:
                stays &= relevance(part, names, number, weights) >= 1
            stays[0] = True
            chosen.append([one for one, stay in zip(ids, stays.tolist(), strict=True) if stay])
        return chosen


def expand(
    seeds: Sequence[Sequence[int]], vectors: Tensor, plain: Sequence[int], count: int
) -> list[list[int]]:
    """Add to the words of each class the `count` whole words whose vectors (V, E) are nearest.

    A word that is near to several classes goes to the nearest.
    """
    candidates = torch.tensor(
        sorted(set(plain) - {one for own in seeds for one in own}), device=vectors.device
    )
    unit = functional.normalize(vectors, dim=1)
    near = torch.stack(
        [
            (unit[torch.tensor(own, device=unit.device)] @ unit[candidates].T).amax(dim=0)
            for own in seeds
        ]
    )
    owner = near.argmax(dim=0)
    expanded = []
    for number, own in enumerate(seeds):
        mine = (owner == number).nonzero()[:, 0]
        order = near[number, mine].argsort(descending=True, stable=True)[:count]
        expanded.append([*own, *candidates[mine[order]].tolist()])
    return expanded


def log_prior(chances: Iterable[Tensor], weights: Tensor | None = None) -> Tensor:
    """(M,) log P(v), the mean over cases of the chances of words, from log-chances (b, M) of some
    cases after others (Hu et al. 2022, equation 2); `weights` (B,) is how much each case counts."""
    sums, count = [], 0
    for some in chances:
        told = some
        if weights is not None:
            told = some + weights[count : count + len(some)].to(some).log()[:, None]
        sums.append(told.logsumexp(dim=0))
        count += len(some)
    total = count if weights is None else float(weights.sum())
    return torch.stack(sums).logsumexp(dim=0) - math.log(total)


def relevance(words: Tensor, names: Tensor, number: int, weights: Tensor | None = None) -> Tensor:
    """(M,) how much more the words of class `number` go with its name than with other names.

    Parameters
    ----------
    words
        (B, M) scores of the words in each case.
    names
        (B, C) scores of the classes' names in each case.
    weights
        (B,) how much each case counts; None: all alike.

    Two words are as alike as their scores about their means over the cases, by the cosine: r. The
    relevance is r with the own name over the mean of |r| with the other names (Hu et al. 2022,
    equation 5); as in the authors' code the mean is the power mean of the order 1 + 10 / (C - 2 +
    0.01), the largest of few names. Words that turn against their own name have -inf.
    """
    alike = _alike(words, names, weights)
    mine = alike[:, number]
    theirs = alike[:, torch.arange(alike.shape[1]) != number].abs()
    order = 1 + 10 / (alike.shape[1] - 2 + 0.01)
    top = theirs.amax(dim=1, keepdim=True).clamp(min=1e-12)
    mean = top[:, 0] * (theirs / top).pow(order).mean(dim=1).pow(1 / order)
    return torch.where(mine > 0, mine / mean, torch.full_like(mine, -torch.inf))


def _alike(words: Tensor, names: Tensor, weights: Tensor | None) -> Tensor:
    """(M, C) cosines of the scores of words (B, M) and of names (B, C), each about its mean over
    the cases, each case as often as it counts."""
    centre, middle = mean_of(words, weights), mean_of(names, weights)
    products = words.new_zeros(words.shape[1], names.shape[1])
    lengths, sizes = torch.zeros_like(centre), torch.zeros_like(middle)
    for rows, some in blocks(words):
        own, others = some - centre, names[rows] - middle
        if weights is not None:
            roots = weights[rows].to(own).sqrt()[:, None]
            own, others = own * roots, others * roots
        products += own.T @ others
        lengths += own.square().sum(dim=0)
        sizes += others.square().sum(dim=0)
    least = 1e-12
    return products / lengths.sqrt().clamp(min=least)[:, None] / sizes.sqrt().clamp(min=least)
