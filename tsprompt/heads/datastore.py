"""Train cases as a datastore: the nearest of them vote, and none is its own neighbour.

| letter | counts |
|---|---|
| b | cases that are asked about |
| B | cases of train |
| n | the nearest of them, at most 128 |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.heads.lesson import Labels
from tsprompt.heads.weighing import Weights, cross_entropy, relative

__all__ = [
    "Neighbours",
    "counted_of",
    "counts_up_to",
    "itself",
    "log_loss",
    "nearest",
]

_COUNTS = (1, 3, 7, 15, 31)
"""Numbers of neighbours that are tried where none is asked for."""
_MOST = 128
"""Neighbours that are looked at."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest train cases of some cases, the nearest first."""

    distances: Tensor
    """(b, n); infinite: a case that must not be asked."""
    classes: Tensor
    """(b, n, C) 1 at the class of each."""
    counted: Tensor
    """(b, n) how much each counts, 0 if it must not be asked."""

    def shares(self, count: int) -> Tensor:
        """(b, n) how much of each is among the nearest that count `count` together: to count 2 is
        to be written twice."""
        before = self.counted.cumsum(dim=1) - self.counted
        return (count - before).clamp(min=0).minimum(self.counted)

    def majority(self, count: int) -> Tensor:
        """(b, C) each neighbour has one vote (Xu et al. 2023), and the nearest half a vote more, by
        which ties are decided. One further vote is shared by all classes, so that no class is
        impossible."""
        first = self.classes[:, 0] * (self.counted[:, :1] > 0)
        votes = _summed(self.shares(count), self.classes) + first / 2
        votes += 1 / votes.shape[1]
        return votes / votes.sum(dim=1, keepdim=True)

    def softly(self, count: int, temperature: float) -> Tensor:
        """(b, C) P(c) in proportion to the sum of exp(-d / temperature) over the neighbours of
        class c (Khandelwal et al. 2020; Chen et al. 2022); zeros where there is no neighbour."""
        shares = self.shares(count)
        logits = shares.log() - self.distances / temperature
        weights = logits.softmax(dim=1).nan_to_num(0.0)  # no neighbour at all: no vote
        return _summed(weights, self.classes)


def _summed(weights: Tensor, classes: Tensor) -> Tensor:
    return torch.einsum("bn,bnc->bc", weights, classes)


def nearest(
    distances: Tensor,
    labels: Tensor,
    n_classes: int,
    counted: Tensor,
    excluded: Tensor | None = None,
) -> Neighbours:
    """Sort train cases by their distance.

    Parameters
    ----------
    distances
        (b, B), float64.
    labels
        (B,) class numbers of train.
    counted
        (B,) how much each counts.
    excluded
        bool (b, B): which must not be asked: a case itself, and what is made of it.
    """
    if excluded is not None:
        distances = distances.masked_fill(excluded, torch.inf)
    found, where = distances.sort(dim=1, stable=True)
    found, where = found[:, :_MOST], where[:, :_MOST]
    one_hot = functional.one_hot(labels, n_classes).to(distances.dtype)
    own = counted.to(distances.dtype)[where] * found.isfinite()
    return Neighbours(found, one_hot[where], own)


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
