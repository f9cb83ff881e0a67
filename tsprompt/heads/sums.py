"""Sums over cases from which the ridge of all of them is solved, whoever has added up which part.

| letter | counts |
|---|---|
| b | cases of a block |
| R | features of a case |
| C | classes |
"""

from __future__ import annotations

import torch
from torch import Tensor

from tsprompt.heads.weighing import unit_of

__all__ = ["RidgeSums"]

_PANEL = 1_024
"""Features whose products with those behind them are added at once: of the products of two features
each is needed once."""


class RidgeSums:
    """What the normal equations of a ridge are made of: R x R numbers, for any number of cases.

    All is in float64 and about the mean, so that nothing is lost where features vary little about a
    large mean. Blocks of cases may be added in any order, and sums of different cases, which came
    from elsewhere, merged (pairwise updates of means and products: Chan, Golub and LeVeque 1979).
    """

    def __init__(self, features: int, classes: int) -> None:
        self.weight = 0.0
        """How many cases there are; of weighted cases, the sum of their weights."""
        self.mean = torch.zeros(features, dtype=torch.float64)
        """(R,) of the features."""
        self.target_mean = torch.zeros(classes, dtype=torch.float64)
        """(C,) of the targets."""
        self.products = torch.zeros(features, features, dtype=torch.float64)
        """(R, R) sums of products of two features about their means. Below the diagonal some are
        left out: `symmetric` has them all."""
        self.cross = torch.zeros(features, classes, dtype=torch.float64)
        """(R, C) the same of features and targets."""

    def add(self, features: Tensor, targets: Tensor, counted: Tensor | None = None) -> None:
        """Add a block of cases.

        Parameters
        ----------
        features
            (b, R)
        targets
            (b, C)
        counted
            (b,) how often each case counts; None: once.
        """
        if not len(features):
            return
        x, y = (one.detach().to("cpu", torch.float64) for one in (features, targets))
        counted = torch.ones(len(x), dtype=torch.float64) if counted is None else counted.cpu()
        weight = float(counted.sum())
        mean, target_mean = counted @ x / weight, counted @ y / weight
        roots = counted.sqrt()[:, None]
        x, y = roots * (x - mean), roots * (y - target_mean)
        for start in range(0, x.shape[1], _PANEL):
            panel, behind = slice(start, start + _PANEL), slice(start, None)
            self.products[panel, behind].addmm_(x[:, panel].T, x[:, behind])
        self.cross.addmm_(x.T, y)
        self._shift(weight, mean, target_mean)

    def merge(self, other: RidgeSums) -> None:
        """Add the sums of other cases."""
        if not other.weight:
            return
        self.products += other.products
        self.cross += other.cross
        self._shift(other.weight, other.mean, other.target_mean)

    def _shift(self, weight: float, mean: Tensor, target_mean: Tensor) -> None:
        """Bring what has been added, which is about its own means, about those of all cases."""
        total = self.weight + weight
        share = weight / total
        apart, apart_target = mean - self.mean, target_mean - self.target_mean
        if self.weight:
            size = self.weight * share
            self.products.addr_(apart, apart, alpha=size)
            self.cross.addr_(apart, apart_target, alpha=size)
        self.mean = self.mean + share * apart
        self.target_mean = self.target_mean + share * apart_target
        self.weight = total

    def standardiser(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (R,), float32; 1 where a feature never changes."""
        spread = (self.products.diagonal() / self.weight).clamp(min=0).sqrt()
        return self.mean.to(torch.float32), unit_of(self.mean, spread).to(torch.float32)

    def symmetric(self) -> Tensor:
        """(R, R) all products: a copy."""
        return self.products.triu().add_(self.products.triu(1).T)

    def solve(self, penalty: float, weights: Tensor | None = None) -> Tensor:
        """The ridge (R, C) of all cases, on standardised features.

        Parameters
        ----------
        penalty
            What is added to the sums of squares.
        weights
            (R,) those of the features in inner products of cases; None: all 1.
        """
        scale = 1 / self.standardiser()[1].to(torch.float64)
        if weights is not None:
            scale = scale * weights.to(torch.float64).sqrt()
        matrix = self.symmetric()
        matrix *= scale[:, None]
        matrix *= scale
        matrix.diagonal().add_(penalty)
        solution = torch.cholesky_solve(scale[:, None] * self.cross, torch.linalg.cholesky(matrix))
        return solution if weights is None else solution * weights.to(torch.float64).sqrt()[:, None]
