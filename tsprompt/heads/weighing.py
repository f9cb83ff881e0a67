"""Means, scales and losses over cases that count more or less; without weights, the plain ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.blocks import at_once, blocks, collected, picked

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
    if at_once(values):
        if weights is None:
            return values.mean(dim=0)
        share = (weights / weights.sum()).to(values)
        return torch.tensordot(share, values, dims=1)
    home = _home(values)
    share, dtype = _shares(values, weights).to(home), values.dtype
    total = torch.zeros(values.shape[1:], dtype=torch.float64, device=home)
    for rows, some in blocks(values):
        total += torch.tensordot(share[rows], some.to(home).to(torch.float64), dims=1)
        dtype = some.dtype
    return total.to(dtype).to(values.device)


def standardiser(features: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (R,) of features (B, R), or of all vectors of features
    (B, K, R); 1 where a feature never changes."""
    if not at_once(features):
        return _by_blocks(features, weights)
    features = features.flatten(0, -2)
    mean = mean_of(features, weights)
    if weights is None:
        spread = features.std(dim=0, correction=0)
    else:
        spread = mean_of((features - mean).square(), weights).sqrt()
    return mean, unit_of(mean, spread)


def standardiser_of(
    features: Tensor, rows: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """That of some rows (n,) of features, which have these weights (n,)."""
    if at_once(features):
        return standardiser(picked(features, rows), weights)
    counted = torch.zeros(len(features), dtype=torch.float64)
    counted[rows.cpu()] = 1.0 if weights is None else weights.cpu().to(torch.float64)
    return _by_blocks(features, counted)


def _shares(values: Tensor, weights: Tensor | None) -> Tensor:
    """(B,) what each case adds to a mean, float64."""
    counted = torch.ones(len(values)) if weights is None else weights.cpu()
    return counted.to(torch.float64) / counted.sum()


def _home(values: Tensor) -> torch.device:
    """Where sums are taken in float64, which mps has not."""
    return torch.device("cpu") if values.device.type == "mps" else values.device


def _by_blocks(features: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """The same, with no second table of the features' size."""
    home, each = _home(features), features.shape[1:-1].numel()
    share = _shares(features, weights).to(home) / each
    mean = torch.zeros(features.shape[-1], dtype=torch.float64, device=home)
    for rows, some in blocks(features):
        mean += share[rows].repeat_interleave(each) @ _vectors(some, home)
    square = torch.zeros_like(mean)
    for rows, some in blocks(features):
        square += share[rows].repeat_interleave(each) @ (_vectors(some, home) - mean).square()
    unit = unit_of(mean, square.sqrt())
    where, dtype = features.device, some.dtype
    return mean.to(dtype).to(where), unit.to(dtype).to(where)


def _vectors(some: Tensor, home: torch.device) -> Tensor:
    """All vectors (b * K, R) of some features, float64."""
    return some.flatten(0, -2).to(home).to(torch.float64)


def unit_of(mean: Tensor, spread: Tensor) -> Tensor:
    """What features (R,) of this mean and standard deviation are divided by: 1 where they never
    change."""
    return spread.where(spread > 1e-6 * (1 + mean.abs()), spread.new_ones(()))


def spread_of(scores: Tensor, weights: Tensor | None = None) -> Tensor:
    """One standard deviation for scores (B, C) about the mean of each class; 1 if there is none."""
    centre = mean_of(scores, weights)
    apart = collected(scores, lambda some: (some - centre).square().mean(dim=1))
    spread = mean_of(apart, weights).sqrt()
    largest = collected(scores, lambda some: some.abs().amax(dim=1)).max()
    return spread if spread > 1e-6 * (1 + largest) else spread.new_ones(())


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
