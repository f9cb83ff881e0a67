"""The ridge of few cases by their inner products, with leave-one-out for every penalty at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tsprompt.heads.lesson import Labels, Lesson
from tsprompt.heads.weighing import as_tensor, mean_of

__all__ = ["Asked", "Solved"]


@dataclass(frozen=True)
class Asked:
    """What is asked of n cases: their targets, which go together, and how often each counts."""

    targets: Tensor
    """(n, C)"""
    groups: Labels | None
    """(n,) rows that are left out together; None: each alone."""
    counted: Tensor | None
    """(n,) how often a case counts; None: once."""

    @classmethod
    def of(cls, lesson: Lesson, targets: Tensor, some: Tensor) -> Asked:
        """What a lesson asks of some of its cases."""
        groups = None if lesson.groups is None else lesson.groups[some.numpy()]
        counted = as_tensor(lesson.train_weights)
        return cls(targets[some], groups, None if counted is None else counted[some])


class Solved:
    """The dual solution of one problem, at the penalty with the least leave-one-out error.

    A case that counts w times is a row, about the weighted mean, that is multiplied by the root of
    w: its sums of squares are those of w equal rows.
    """

    def __init__(self, gram: Tensor, asked: Asked, penalties: list[float]) -> None:
        counted = asked.counted
        # Some of the cases have another mean than all, about which features are standardised.
        gram, centred = _centred(gram, counted), asked.targets - mean_of(asked.targets, counted)
        if counted is not None:
            roots = counted.sqrt()[:, None]
            gram, centred = roots * gram * roots.T, roots * centred
        values, vectors = torch.linalg.eigh(gram)
        values, rotated = values.clamp(min=0), vectors.T @ centred
        self.values, self.vectors, self._counted = values, vectors, counted
        residuals = [
            _leave_one_out(values, vectors, rotated, penalty, counted)
            if asked.groups is None
            else _leave_group_out(values, vectors, rotated, penalty, asked.groups, counted=counted)
            for penalty in penalties
        ]
        errors = [float(one.square().mean()) for one in residuals]
        best = int(np.argmin(errors))
        self.error, self.penalty, self.residuals = errors[best], penalties[best], residuals[best]
        self.dual = vectors @ (rotated / (values + self.penalty)[:, None])
        if counted is not None:
            self.residuals, self.dual = self.residuals / roots, roots * self.dual

    @property
    def weight(self) -> float:
        """How often all rows count."""
        counted = self._counted
        return float(len(self.vectors) if counted is None else counted.sum())

    def roots_of(self, vectors: Tensor) -> Tensor:
        """What vectors (n, k) over rows that count as they do make of vectors over plain rows."""
        return vectors if self._counted is None else self._counted.sqrt()[:, None] * vectors


def _leave_one_out(
    values: Tensor,
    vectors: Tensor,
    rotated: Tensor,
    penalty: float,
    counted: Tensor | None = None,
) -> Tensor:
    """Residuals (n, C) of each row under the model that never saw it."""
    shrunk = values / (values + penalty)
    fitted = vectors @ (shrunk[:, None] * rotated)
    # The intercept takes its share of every case's own leverage.
    share = 1 / len(vectors) if counted is None else counted / counted.sum()
    leverage = (vectors.square() @ shrunk) + share
    residual = vectors @ rotated - fitted
    return residual / (1 - leverage).clamp(min=1e-9)[:, None]


def _leave_group_out(
    values: Tensor,
    vectors: Tensor,
    rotated: Tensor,
    penalty: float,
    groups: Labels,
    *,
    counted: Tensor | None = None,
) -> Tensor:
    """Residuals (n, C) of each row under the model that never saw a row of its group (n,)."""
    shrunk = values / (values + penalty)
    residual = vectors @ rotated - vectors @ (shrunk[:, None] * rotated)
    out = torch.empty_like(residual)
    for group in np.unique(groups):
        rows = torch.from_numpy(np.flatnonzero(groups == group))
        own = vectors[rows]
        share: float | Tensor = 1 / len(vectors)
        if counted is not None:
            roots = (counted[rows] / counted.sum()).sqrt()
            share = torch.outer(roots, roots)
        leverage = (own * shrunk) @ own.T + share
        rest = torch.eye(len(rows), dtype=own.dtype) - leverage
        # At a small penalty twins determine each other, and nearly nothing is left of them.
        rest += 1e-9 * torch.eye(len(rows), dtype=own.dtype)
        out[rows] = torch.linalg.solve(rest, residual[rows])
    return out


def _centred(gram: Tensor, counted: Tensor | None = None) -> Tensor:
    """Inner products of the same cases about their own mean."""
    if counted is None:
        return gram - gram.mean(dim=0) - gram.mean(dim=1, keepdim=True) + gram.mean()
    share = counted / counted.sum()
    mean = gram @ share
    return gram - mean - mean[:, None] + share @ mean
