"""The ways to find shares: exactly, by taking cells away one at a time, by Shapley sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.explanations.ablation import Asked, ablate, sample_shapley, without_features
from tsprompt.explanations.exact import token_shares
from tsprompt.explanations.grid import Grid

__all__ = ["METHODS", "Shares", "exactly", "one_by_one", "shapley"]

METHODS = {
    "exact": "the model's own sum, divided into its steps: one pass",
    "ablation": "each stretch is taken away alone: a pass for each",
    "shapley": "stretches return in random orders, sampled: many passes for each",
}
"""Name and meaning of each way."""
_MEAN = "train's mean, in the features of the head"

Doubles = npt.NDArray[np.float64]


@dataclass
class Shares:
    """What one way has found for B cases."""

    grids: Sequence[Grid]
    cells: Sequence[Doubles]
    """(J, G) of each."""
    base: Doubles
    """(B,) scores of the reference."""
    reference: Sequence[str]
    """What the shares of each case are relative to, in words."""
    by_feature: Sequence[Doubles]
    feature_names: Sequence[tuple[str, ...]]
    features_by: str


def exactly(asked: Asked) -> Shares:
    """Of the model's steps; where these mix features, shares of features are found by ablation."""
    linear = asked.fitted.design.combination.linear()
    assert linear is not None, "the model has been asked whether it divides"
    bias = linear.bias.numpy()
    first, second = asked.contrast.predicted, asked.contrast.runner_up
    grids, cells = [], []
    for number, (grid, shares) in enumerate(token_shares(asked.fitted, asked.cases)):
        grids.append(grid)
        cells.append(shares[..., first[number]] - shares[..., second[number]])
    base = bias[first] - bias[second]
    reference = [_MEAN] * len(grids)
    if len(grids[0].groups) > 1 or asked.cases.n_features == 1:
        return _with_sums(grids, cells, base, reference, "exact")
    return Shares(
        grids,
        cells,
        base,
        reference,
        list(without_features(asked)),
        [one.names for one in asked.grids],
        "ablation",
    )


def one_by_one(asked: Asked) -> Shares:
    """By ablation, relative to what takes the place of a cell."""
    cells, base = ablate(asked)
    reference = [one.said for one in asked.fills]
    return _with_sums(asked.grids, list(cells), base, reference, "ablation")


def shapley(asked: Asked, orders: int) -> Shares:
    """By Shapley sampling."""
    cells, base = sample_shapley(asked, orders)
    reference = [one.said for one in asked.fills]
    return _with_sums(asked.grids, list(cells), base, reference, "shapley")


def _with_sums(
    grids: Sequence[Grid], cells: list[Doubles], base: Doubles, reference: list[str], way: str
) -> Shares:
    """A feature's share is the sum of its cells'."""
    sums = [one.sum(axis=0) for one in cells]
    return Shares(grids, cells, base, reference, sums, [one.names for one in grids], way)
