"""Train cases as a datastore: the nearest of them vote, and none is its own neighbour.

| letter | counts |
|---|---|
| b | cases that are asked about |
| B | cases of train |
| n | the nearest of them, at most 128 |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tsprompt.base.seeds import generator
from tsprompt.heads.lesson import Labels
from tsprompt.heads.weighing import Weights, cross_entropy, relative

__all__ = [
    "Neighbours",
    "counted_of",
    "counts_up_to",
    "deciding",
    "itself",
    "log_loss",
    "nearest",
]

_COUNTS = (1, 3, 7, 15, 31)
"""Numbers of neighbours that are tried where none is asked for."""
_MOST = 128
"""Neighbours that are looked at."""
_DECIDING = 4_000
"""Cases that choose, at the most: each is compared with all of train."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest train cases of some cases, the nearest first."""

    distances: Tensor
    """(b, n); infinite: a case that must not be asked."""
    labels: Tensor
    """(b, n) class numbers."""
    counted: Tensor
    """(b, n) how much each counts, 0 if it must not be asked."""
    n_classes: int

    @classmethod
    def joined(cls, parts: Sequence[Neighbours]) -> Neighbours:
        """Those of all cases of some after others."""
        return cls(
            torch.cat([one.distances for one in parts]),
            torch.cat([one.labels for one in parts]),
            torch.cat([one.counted for one in parts]),
            parts[0].n_classes,
        )

    def shares(self, count: int) -> Tensor:
        """(b, n) how much of each is among the nearest that count `count` together: to count 2 is
        to be written twice."""
        before = self.counted.cumsum(dim=1) - self.counted
        return (count - before).clamp(min=0).minimum(self.counted)

    def majority(self, count: int) -> Tensor:
        """(b, C) each neighbour has one vote (Xu et al. 2023), and the nearest half a vote more, by
        which ties are decided. One further vote is shared by all classes, so that no class is
        impossible."""
        shares = self.shares(count)
        shares[:, 0] += (self.counted[:, 0] > 0).to(shares) / 2
        votes = self._summed(shares) + 1 / self.n_classes
        return votes / votes.sum(dim=1, keepdim=True)

    def softly(self, count: int, temperature: float) -> Tensor:
        """(b, C) P(c) in proportion to the sum of exp(-d / temperature) over the neighbours of
        class c (Khandelwal et al. 2020; Chen et al. 2022); zeros where there is no neighbour."""
        shares = self.shares(count)
        logits = shares.log() - self.distances / temperature
        return self._summed(logits.softmax(dim=1).nan_to_num(0.0))  # no neighbour at all: no vote

    def _summed(self, weights: Tensor) -> Tensor:
        """(b, C) the weights (b, n) of each class."""
        return weights.new_zeros(len(weights), self.n_classes).scatter_add(1, self.labels, weights)


def nearest(
    distances: Iterable[Tensor],
    labels: Tensor,
    n_classes: int,
    counted: Tensor,
    excluded: Tensor | None = None,
) -> Neighbours:
    """Sort train cases by their distance, of equal ones the first in train first.

    Parameters
    ----------
    distances
        (b, n'), float64, of some train cases after others: all B in their order.
    labels
        (B,) class numbers of train.
    counted
        (B,) how much each counts.
    excluded
        bool (b, B): which must not be asked: a case itself, and what is made of it.
    """
    found, where = torch.empty(0), torch.empty(0, dtype=torch.long)
    start = 0
    for far in distances:
        part = slice(start, start + far.shape[1])
        near = far if excluded is None else far.masked_fill(excluded[:, part], torch.inf)
        there = torch.arange(part.start, part.stop).expand(len(far), -1)
        if start:
            near, there = torch.cat([found, near], dim=1), torch.cat([where, there], dim=1)
        order = near.argsort(dim=1, stable=True)[:, :_MOST]
        found, where, start = near.gather(1, order), there.gather(1, order), part.stop
    own = counted.to(found.dtype)[where] * found.isfinite()
    return Neighbours(found, labels[where], own, n_classes)


def deciding(rows: Labels, seed: int, name: str) -> Labels:
    """Those of some cases (n,), in order, that choose what is left open: all, or 4,000 of them that
    are drawn at random."""
    drawn = generator(seed, name, "deciding").permutation(len(rows))[:_DECIDING]
    return rows[np.sort(drawn)]


def itself(rows: Labels, groups: Labels) -> Tensor:
    """bool (b, B): which of train (B,) belong to the same case as these rows (b,) of it."""
    names = torch.from_numpy(groups)
    return names[torch.from_numpy(rows)][:, None] == names


def counts_up_to(most: int, asked: int | None) -> tuple[int, ...]:
    """The numbers of neighbours to choose from, where a case has `most` others."""
    return (asked,) if asked else tuple(one for one in _COUNTS if one <= max(most, 1))


def counted_of(weights: Weights | None, count: int) -> Tensor:
    """(B,) how much each case counts."""
    return torch.from_numpy(np.ones(count) if weights is None else weights.astype(np.float64))


def log_loss(chances: Tensor, labels: Labels, weights: Weights | None) -> float:
    """Mean negative log-likelihood of probabilities (b, C), each case as it counts (b,)."""
    tiny = torch.finfo(chances.dtype).tiny
    scores = chances.clamp(min=tiny).log()
    return float(cross_entropy(scores, torch.from_numpy(labels), relative(weights)))
