"""Means, scales and losses over cases that count more or less; without weights, the plain ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.scratch import row_blocks

__all__ = [
    "Weights",
    "as_tensor",
    "cross_entropy",
    "mean_of",
    "relative",
    "spread_of",
    "standardiser",
    "standardiser_of",
    "unit_of",
]

_WHOLE_BYTES = 1 << 28
"""Features of more than this, 256 MiB, are gone through in blocks of cases."""

Weights = npt.NDArray[np.float64]
"""(B,) how much each case counts; a case that is written twice counts 2."""


def as_tensor(weights: Weights | None) -> Tensor | None:
    """The same as a tensor."""
    return None if weights is None else torch.from_numpy(weights)


def relative(
    weights: Weights | None, rows: npt.NDArray[np.intp] | slice = slice(None)
) -> Tensor | None:
    """Weights (n,) of some cases, with a mean of 1, so that no loss changes its size with them."""
    if weights is None:
        return None
    own = torch.from_numpy(weights[rows])
    return own / own.mean()


def mean_of(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of values (B, ...) over the cases."""
    if weights is None:
        return values.mean(dim=0)
    share = (weights / weights.sum()).to(values)
    return torch.tensordot(share, values, dims=1)


def standardiser(features: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (R,) of features (B, R); 1 where a feature never changes."""
    if features.nbytes > _WHOLE_BYTES:
        return _by_blocks(features, weights)
    mean = mean_of(features, weights)
    if weights is None:
        spread = features.std(dim=0, correction=0)
    else:
        spread = mean_of((features - mean).square(), weights).sqrt()
    return mean, unit_of(mean, spread)


def standardiser_of(
    features: Tensor, rows: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """That of some rows (n,) of features (B, R), which have these weights (n,)."""
    if features.nbytes <= _WHOLE_BYTES:
        return standardiser(features[rows], weights)
    counted = torch.zeros(len(features), dtype=torch.float64)
    counted[rows] = 1.0 if weights is None else weights
    return _by_blocks(features, counted)


def _by_blocks(features: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """The same, with no second table of the features' size."""
    counted = torch.ones(len(features), dtype=torch.float64) if weights is None else weights.cpu()
    share = counted / counted.sum()
    mean = features.new_zeros(features.shape[1], dtype=torch.float64)
    for rows in row_blocks(features):
        mean += share[rows].to(mean.device) @ features[rows].to(torch.float64)
    square = torch.zeros_like(mean)
    for rows in row_blocks(features):
        square += share[rows].to(mean.device) @ (features[rows] - mean).square()
    unit = unit_of(mean, square.sqrt())
    return mean.to(features.dtype), unit.to(features.dtype)


def unit_of(mean: Tensor, spread: Tensor) -> Tensor:
    """What features (R,) of this mean and standard deviation are divided by: 1 where they never
    change."""
    return spread.where(spread > 1e-6 * (1 + mean.abs()), spread.new_ones(()))


def spread_of(scores: Tensor, weights: Tensor | None = None) -> Tensor:
    """One standard deviation for scores (B, C) about the mean of each class; 1 if there is none."""
    apart = (scores - mean_of(scores, weights)).square()
    spread = (apart.mean() if weights is None else mean_of(apart, weights).mean()).sqrt()
    return spread if spread > 1e-6 * (1 + scores.abs().max()) else spread.new_ones(())


def cross_entropy(
    scores: Tensor, labels: Tensor, weights: Tensor | None = None, *, total: bool = False
) -> Tensor:
    """Cross-entropy of scores (b, C), the mean over the cases, or their sum if it is the `total`.

    The mean of some cases of many is over their number, not over their weights: so each case adds
    to a pass of training what its weight says, whatever cases are beside it.
    """
    if weights is None:
        return functional.cross_entropy(scores, labels, reduction="sum" if total else "mean")
    each = functional.cross_entropy(scores, labels, reduction="none") * weights.to(scores)
    return each.sum() if total else each.mean()
