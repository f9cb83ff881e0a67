"""Train cases that stand beside others: which of them are shown with a case."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.base.accelerator import sent
from tsprompt.base.part import require
from tsprompt.base.seeds import generator
from tsprompt.contexts.base import Context, Tokenise
from tsprompt.data import Cases, IntArray
from tsprompt.errors import InputError, Setting
from tsprompt.heads.lesson import Labels

__all__ = ["Pool", "Shelf"]

_PARTS = 4
"""Equal parts of a case, whose mean tokens say what it is similar to."""
_SAME = 1e-3
"""Cases nearer than this, relative to how far they lie from the mean, are one and the same."""


@dataclass
class Pool(Context):
    """Shows train cases of every class: for each query those that are drawn among the most similar
    ones of the class, and never the query itself. Each member of an ensemble of prompts draws anew.

    Similarity is the cosine between the mean tokens of four equal parts of the cases, with train's
    mean taken away: the language model is not asked. The draw is a random function of those means,
    fixed by the seed: what a case is shown does not depend on the cases that are read with it.
    """

    per_class: int = 1
    """The most cases of each class; fewer where a class has no more, or `least_steps` asks."""
    share: float = 0.5
    """Share of the cases of a class, the most similar ones, that are drawn from."""
    pool: int = 64
    """Train cases of each class, drawn at random, that they are taken from."""

    def __post_init__(self) -> None:
        require(self.per_class >= 1, f"{self.name}: per_class must be 1 or more")
        require(0 < self.share <= 1, f"{self.name}: share lies above 0, and at most at 1")
        require(self.pool >= 2, f"{self.name}: pool must be 2 or more")
        self.met_shelf: Shelf | None = None

    @property
    @abstractmethod
    def n_classes(self) -> int:
        """C."""

    def _count_shown(self, labels: Labels, classes: list[str]) -> None:
        """See how many cases of each class can be shown.

        Raises
        ------
        InputError
            A class has a single case.
        """
        counts = np.bincount(labels[labels >= 0], minlength=len(classes))
        rare = [classes[i] for i in np.flatnonzero(counts < 2)]
        if rare:
            raise InputError(
                f"of the class {', '.join(rare)} there are fewer than 2 training cases to learn "
                "from, but beside each case another one of every class is shown; give more cases, "
                "or shots, (those that are held out for validation don't count), or use ",
                Setting("context", "none"),
            )
        self.shown_ = int(min(self.per_class, self.pool - 1, counts.min() - 1))

    def _order(self, rng: np.random.Generator) -> IntArray:
        """(C * shown,) the order of cases that are shown; 0, 1, .. are of the first class."""
        return rng.permutation(self.shown_ * self.n_classes)

    def _draw(
        self, cases: Cases, labels: Labels, number: IntArray, rng: np.random.Generator
    ) -> None:
        """Draw the pool, and the order of the demonstrations."""
        own = [
            rng.permutation(np.flatnonzero(labels == k))[: self.pool] for k in range(self.n_classes)
        ]
        chosen = np.concatenate(own)
        taken = cases.take(chosen)
        self.index_ = torch.from_numpy(number[chosen])
        self.labels_ = torch.from_numpy(labels[chosen])
        self.lengths_ = torch.from_numpy(taken.lengths)
        self.values_ = torch.from_numpy(np.concatenate(list(taken)))
        self.order_ = torch.from_numpy(self._order(rng))
        self.seed_ = int(rng.integers(2**31))
        self.met_shelf = None

    def meet(self, backbone: Backbone, *, tokenise: Tokenise) -> None:
        """Tokenise the pool, once."""
        if self.met_shelf is None:
            series = self.values_.split(self.lengths_.tolist())
            pool = Cases([one.numpy() for one in series])
            self.met_shelf = Shelf(list(tokenise(pool)), self.seed_, backbone)

    def choose(self, tokens: Tensor, own: IntArray | None, backbone: Backbone) -> IntArray:
        """(b, C * per_class) numbers in the pool, in the order in which they are shown.

        Equal cases are shown equal ones, but in train never themselves.
        """
        assert self.met_shelf is not None, "it meets the model first"
        near, chance, same = self.met_shelf.compare(signatures_of(tokens, backbone))
        itself = torch.zeros_like(same)
        if own is not None:
            itself = torch.from_numpy(own)[:, None] == self.index_
        picked = []
        for label in range(self.n_classes):
            column = torch.from_numpy(np.flatnonzero(self.labels_.numpy() == label))
            barred = (itself | same)[:, column]
            # Where a whole class is alike, a case can't be told from its equals.
            few = (~barred).sum(dim=1, keepdim=True) < self.shown_
            barred = torch.where(few, itself[:, column], barred)
            picked.append(column[self._pick(near[:, column], chance[:, column], barred)])
        return torch.cat(picked, dim=1)[:, self.order_].numpy()

    def _pick(self, near: Tensor, chance: Tensor, barred: Tensor) -> Tensor:
        """(b, per_class) of n cases of one class: the luckiest among the most similar ones."""
        place = near.masked_fill(barred, -math.inf).argsort(dim=1, descending=True, stable=True)
        rank = place.argsort(dim=1)
        count = (self.share * (~barred).sum(dim=1, keepdim=True)).ceil().clamp(min=self.shown_)
        return chance.masked_fill(rank >= count, -math.inf).topk(self.shown_, dim=1).indices


def signatures_of(tokens: Tensor, backbone: Backbone) -> Tensor:
    """(b, Q) what cases (b, S, W[, D]) are compared by, float64 on the processor."""
    vectors = tokens if tokens.is_floating_point() else backbone.embed(tokens)
    by_entry = vectors.mean(dim=2).transpose(1, 2)
    pooled = functional.adaptive_avg_pool1d(by_entry, _PARTS)
    return pooled.flatten(1).to("cpu").to(torch.float64)


class Shelf:
    """The pool in tokens, and what its cases are compared by."""

    def __init__(
        self, chunks: list[tuple[IntArray, Tensor]], seed: int, backbone: Backbone
    ) -> None:
        count = sum(len(index) for index, _ in chunks)
        self.steps = np.zeros(count, dtype=np.intp)
        """(n,) S of each case."""
        self._row = np.zeros(count, dtype=np.intp)
        gathered: dict[int, list[Tensor]] = {}
        first = signatures_of(chunks[0][1][:1], backbone)
        signatures = first.new_empty(count, first.shape[1])
        for index, tokens in chunks:
            steps = tokens.shape[1]
            self.steps[index] = steps
            self._row[index] = sum(map(len, gathered.get(steps, ()))) + np.arange(len(index))
            gathered.setdefault(steps, []).append(tokens)
            signatures[torch.from_numpy(index)] = signatures_of(tokens, backbone)
        self.tokens = {steps: torch.cat(parts) for steps, parts in gathered.items()}
        """S -> (n', S, W[, D])."""
        self._center = signatures.mean(dim=0)
        self._apart = signatures - self._center
        self._unit = functional.normalize(self._apart, dim=1)
        draws = generator(seed, "luck").standard_normal(signatures.shape)
        self._luck = torch.from_numpy(draws)

    def take(self, numbers: IntArray) -> Tensor:
        """Tokens (u, S, W[, D]) of cases of equally many steps."""
        tokens = self.tokens[int(self.steps[numbers[0]])]
        return tokens[sent(self._row[numbers], tokens.device)]

    def compare(self, signatures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(b, n) similarity, luck, and whether they are the same, of cases (b, Q) and the pool."""
        apart = signatures - self._center
        unit = functional.normalize(apart, dim=1)
        distance = torch.cdist(apart, self._apart)
        same = distance <= _SAME * self._apart.norm(dim=1)
        return unit @ self._unit.T, unit @ self._luck.T, same
