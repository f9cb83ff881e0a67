"""The ridge of many cases with many features, by conjugate gradients: no table of R x R numbers.

Each step reads all cases once, a block at a time, and keeps (R, C) numbers of them; what the blocks
add may be summed up elsewhere. Some of the cases, solved exactly, say in which directions the steps
would be slow, and shorten them there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.base.scratch import row_blocks
from tsprompt.errors import notice
from tsprompt.heads.dual import Solved

__all__ = ["Shortcut", "conjugate_gradients"]

_DIRECTIONS = 1_000
"""Directions that a shortcut knows at the most."""

Map = Callable[[Tensor], Tensor]
"""From (R, C) to (R, C)."""


@dataclass(frozen=True)
class Rows:
    """The cases of one problem, as they stand in a table."""

    features: Tensor
    """(B, R)"""
    mean: Tensor
    """(R,) what is taken from the features."""
    scale: Tensor
    """(R,) what they are then multiplied by."""
    counted: Tensor | None
    """(B,) how often each case counts; None: once."""

    @property
    def weight(self) -> float:
        """How often all cases count."""
        return float(len(self.features) if self.counted is None else self.counted.sum())

    def scaled(self, features: Tensor) -> Tensor:
        """Some of the features (b, R), as the problem has them."""
        return (features - self.mean).mul_(self.scale)

    def image(self, vectors: Tensor) -> Tensor:
        """(R, C) the products of the features with each other, times vectors (R, C)."""
        thin, sums = vectors.to(torch.float32), torch.zeros_like(vectors)
        for rows in row_blocks(self.features):
            block = self.scaled(self.features[rows])
            sums += block.T @ self._weighed(block @ thin, rows)
        return sums

    def sums_with(self, targets: Tensor) -> Tensor:
        """(R, C) the products of the features with targets (B, C)."""
        sums = torch.zeros(self.features.shape[1], targets.shape[1], dtype=torch.float64)
        for rows in row_blocks(self.features):
            block = self.scaled(self.features[rows])
            sums += block.T @ self._weighed(targets[rows].to(torch.float32), rows)
        return sums

    def _weighed(self, values: Tensor, rows: slice) -> Tensor:
        return values if self.counted is None else self.counted[rows, None].to(values) * values


@dataclass(frozen=True)
class Shortcut:
    """Nearly the inverse of what is solved, by the Nyström method (Frangella, Tropp and Udell
    2023)."""

    directions: Tensor
    """(R, k), orthonormal, float32."""
    sizes: Tensor
    """(k,) what all cases' products are in these directions, the least first."""
    penalty: float

    @classmethod
    def of(cls, sample: Tensor, solved: Solved, weight: float) -> Shortcut:
        """From some cases.

        Parameters
        ----------
        sample
            (n, R) their features, as the rows of the problem are.
        solved
            The same cases' dual solution.
        weight
            How often all cases count, of which these are a sample.
        """
        values, vectors = solved.values, solved.vectors
        share = weight / solved.weight
        known = values * share > solved.penalty
        count = min(_DIRECTIONS, int(known.sum()))
        values, vectors = values[len(values) - count :], vectors[:, len(values) - count :]
        # Rows about their own mean: the vectors of what has been centred have none.
        rows = solved.roots_of(vectors) / values.sqrt()
        directions = sample.T @ rows.to(torch.float32)
        return cls(directions, values * share, solved.penalty)

    def __call__(self, residual: Tensor) -> Tensor:
        """(R, C) nearly what solves the residual (R, C), up to a factor."""
        if not len(self.sizes):
            return residual
        inside = (self.directions.T @ residual.to(torch.float32)).to(torch.float64)
        shorter = (self.sizes[0] + self.penalty) / (self.sizes + self.penalty) - 1
        inside = (shorter[:, None] * inside).to(torch.float32)
        return residual + (self.directions @ inside).to(torch.float64)


def conjugate_gradients(
    image: Map, target: Tensor, shortcut: Map, *, tolerance: float, steps: int
) -> Tensor:
    """What `image` makes the target (R, C) of (Hestenes and Stiefel 1952), each column by itself.

    Parameters
    ----------
    image
        A linear map, symmetric and positive.
    tolerance
        The residual, relative to the target, at which it ends.
    steps
        How many there are at the most; a notice says what is left then.
    """
    solution, residual = torch.zeros_like(target), target.clone()
    nearly = shortcut(residual)
    direction, size = nearly.clone(), (residual * nearly).sum(dim=0)
    enough = tolerance**2 * target.square().sum(dim=0)
    for step in range(steps):
        progress.report("solving", step, steps)
        left = residual.square().sum(dim=0)
        if bool((left <= enough).all()):
            break
        seen = image(direction)
        rate = size / (direction * seen).sum(dim=0).clamp(min=1e-30)
        solution += rate * direction
        residual -= rate * seen
        nearly = shortcut(residual)
        last, size = size, (residual * nearly).sum(dim=0)
        direction = nearly + size / last.clamp(min=1e-30) * direction
    else:
        left = residual.square().sum(dim=0)
        share = float((left / enough.clamp(min=1e-30)).max().sqrt()) * tolerance
        notice(
            f"ridge: after {steps} steps a share of {share:.1%} of the targets is still "
            "unsolved; the result may be less accurate than it could be"
        )
    progress.report("solving", steps, steps)
    return solution
