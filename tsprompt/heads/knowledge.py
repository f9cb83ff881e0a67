"""`knowledge`: many words for each class, refined by what the model says about train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.base.part import require
from tsprompt.heads.base import heads
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.verbalizer import Verbalizer, spell_words, words_of_classes
from tsprompt.heads.weighing import relative

__all__ = ["Knowledge"]

_ROWS = 256
"""Cases whose scores of the whole vocabulary exist at once."""


@heads.register("knowledge")
@dataclass
class Knowledge(Verbalizer):
    """The verbalizer of KPT (Hu et al. 2022), with the model's own vocabulary as thesaurus.

    The words of a class are expanded by those whose vectors are nearest to theirs. Then they are
    refined by what the model says about train: words that it hardly ever expects go (frequency), so
    do those that it expects in the cases of other classes' words as much as in those of their own
    (relevance), each is calibrated by its mean, and the shares of the rest are learned.
    """

    weighs: ClassVar[bool] = True

    words: str | None = None
    """The words that are expanded, as of `label-words`; None: the names of the classes."""
    neighbours: int = 20
    """Words by which each class is expanded."""
    keep: float = 0.5
    """Share of the words that stay for how often the model expects them; 1 keeps all."""
    denoise: bool = True
    """Drop words that are not relevant to their class."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.words = spell_words(self.words)
        require(self.neighbours >= 0, "knowledge: neighbours must be 0 or more")
        require(0 < self.keep <= 1, "knowledge: keep lies above 0, and is 1 at the most")

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Find the scorer, the words of the classes, and their neighbours."""
        super().meet(backbone, classes=classes)
        seeds = words_of_classes(self.words, classes, backbone.words, self.name)
        self.met_seeds = seeds
        self.met_ids = expand(seeds, self.met_scorer.vectors, backbone.words.plain, self.neighbours)

    def evidence(self, said: Tensor) -> Tensor:
        """(B, M) what the model gives each of the expanded words, of its whole vocabulary."""
        ids = torch.tensor([one for own in self.met_ids for one in own])
        parts = []
        for rows in said.split(_ROWS):
            scores = self.met_scorer.scores(rows).cpu().to(torch.float64)
            parts.append(scores.log_softmax(dim=1)[:, ids])
        return torch.cat(parts)

    def choose(self, evidence: Tensor, lesson: Lesson) -> list[list[int]]:
        """Those of the expanded words that stand the test; a class's own words always stay."""
        chances = evidence.split([len(own) for own in self.met_ids], dim=1)
        weights = relative(lesson.train_weights)
        if weights is None:
            expected = evidence.logsumexp(dim=0)
        else:
            expected = (evidence + weights.log()[:, None]).logsumexp(dim=0)
        edge = expected.quantile(1 - self.keep)
        chosen, start = [], 0
        own_words = [
            part[:, : len(seeds)].logsumexp(dim=1).exp()
            for part, seeds in zip(chances, self.met_seeds, strict=True)
        ]
        for number, (ids, part) in enumerate(zip(self.met_ids, chances, strict=True)):
            stays = expected[start : start + len(ids)] >= edge
            if self.denoise:
                stays &= relevance(part.exp(), torch.stack(own_words), number, weights) >= 1
            stays[: len(self.met_seeds[number])] = True
            chosen.append([one for one, stay in zip(ids, stays.tolist(), strict=True) if stay])
            start += len(ids)
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


def relevance(words: Tensor, own: Tensor, number: int, weights: Tensor | None = None) -> Tensor:
    """(M,) how much more the words of class `number` go with its name than with other names.

    Parameters
    ----------
    words
        (B, M) chances of the words in each case.
    own
        (C, B) chances of the classes' own words in each case.
    weights
        (B,) how much each case counts; None: all alike.

    The likeness of two words is the cosine of their chances over the cases; the relevance is that
    with the own class over the mean of those with the others (Hu et al. 2022, equation 8). Words
    that only share what all words have in common have 1.
    """
    if weights is not None:
        words, own = words * weights.sqrt()[:, None], own * weights.sqrt()
    alike = functional.normalize(words.T, dim=1) @ functional.normalize(own, dim=1).T
    others = alike.sum(dim=1) - alike[:, number]
    return alike[:, number] * (len(own) - 1) / others.clamp(min=1e-12)
