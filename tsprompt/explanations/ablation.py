"""Shares by taking cells away: one at a time, or in random orders (Shapley values).

Any model can be asked so. Cells that are taken away are filled with a reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.data import Cases, Values
from tsprompt.explanations.grid import Grid
from tsprompt.explanations.references import Fill
from tsprompt.explanations.scores import Contrast
from tsprompt.model.fitted import Fitted

__all__ = ["Asked", "ablate", "sample_shapley", "without_features"]

Doubles = npt.NDArray[np.float64]
Choice = npt.NDArray[np.bool_]
_NUMBERS = 1 << 22
"""Values of series that are made at once."""
_MOST = 512
"""Series that are made at once."""


@dataclass
class Asked:
    """Cases of one grid size that a model is asked about again and again, each with some of its
    cells taken away."""

    fitted: Fitted
    cases: Cases
    """B, without gaps."""
    grids: Sequence[Grid]
    fills: Sequence[Fill]
    contrast: Contrast
    stage: str = "taking stretches away"

    def scores(self, case: npt.NDArray[np.intp], cells: Choice) -> Doubles:
        """(n,) scores of cases (n,) of which only the chosen cells (n, J, G) are left.

        Each distinct question is asked once.
        """
        key = np.column_stack([case, cells.reshape(len(cells), -1)])
        _, first, back = np.unique(key, axis=0, return_index=True, return_inverse=True)
        answers = [self._answer(case[part], cells[part]) for part in self._parts(first)]
        return np.concatenate(answers)[back.reshape(-1)]

    def _parts(self, rows: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
        size = int(self.cases.lengths.max()) * self.cases.n_features
        most = max(1, min(_MOST, _NUMBERS // size))
        for start in range(0, len(rows), most):
            yield rows[start : start + most]

    def _answer(self, case: npt.NDArray[np.intp], cells: Choice) -> Doubles:
        made: list[Values] = [self.cases[0]] * len(case)
        for number in np.unique(case).tolist():
            rows = np.flatnonzero(case == number)
            values = self.cases[number]
            kept = self.grids[number].spread(cells[rows], len(values))
            series = self.fills[number].make(values, kept).astype(values.dtype)
            for row, one in zip(rows.tolist(), series, strict=True):
                made[row] = one
        asked = Cases(made, features=self.cases.features)
        return self.contrast.take(case).scores(self.fitted.probabilities(asked))


def ablate(asked: Asked) -> tuple[Doubles, Doubles]:
    """Shares (B, J, G), and the score (B,) of nothing but the reference.

    A cell's share is what the score loses when this cell alone is taken away (occlusion, Zeiler
    and Fergus 2014).
    """
    size = asked.grids[0].size
    count = size[0] * size[1]
    choices = ~np.eye(count, dtype=bool)
    choices = np.concatenate([np.ones((1, count), bool), np.zeros((1, count), bool), choices])
    scores = _each(asked, choices.reshape(-1, *size))
    shares = scores[:, :1] - scores[:, 2:]
    return shares.reshape(-1, *size), scores[:, 1]


def without_features(asked: Asked) -> Doubles:
    """(B, G) what the score loses when all of a group of features is taken away."""
    size = asked.grids[0].size
    gone = ~np.eye(size[1], dtype=bool)
    choices = np.concatenate([np.ones((1, size[1]), bool), gone])
    scores = _each(asked, np.broadcast_to(choices[:, None], (len(choices), *size)))
    return scores[:, :1] - scores[:, 1:]


def _each(asked: Asked, choices: Choice) -> Doubles:
    """(B, n) scores of every case under every choice of cells (n, J, G)."""
    count = len(asked.cases)
    case = np.repeat(np.arange(count), len(choices))
    cells = np.tile(choices, (count, 1, 1))
    return asked.scores(case, cells).reshape(count, -1)


def sample_shapley(asked: Asked, orders: int) -> tuple[Doubles, Doubles]:
    """Shares (B, J, G), and the score (B,) of nothing but the reference.

    Cells return one after the other in random orders; a cell's share is what its return changes on
    average (Castro, Gomez and Tejada 2009, as captum samples them). They add up to the score less
    that of the reference, however few orders there are.
    """
    from captum.attr import ShapleyValueSampling

    size, count = asked.grids[0].size, len(asked.cases)
    players = size[0] * size[1]
    done, total = 0, count * players * orders

    def score(choices: Tensor, case: Tensor) -> Tensor:
        nonlocal done
        progress.report(asked.stage, done, total)
        cells = choices.numpy().astype(bool).reshape(-1, *size)
        done = min(total, done + len(cells))
        return torch.from_numpy(asked.scores(case.numpy(), cells))

    sampler = ShapleyValueSampling(score)
    every = torch.ones(count, players, dtype=torch.float64)
    case = torch.arange(count)
    with seeded_torch(derive(asked.fitted.seed, "explain")):
        shares = sampler.attribute(
            every,
            baselines=0.0,
            additional_forward_args=case,
            n_samples=orders,
            perturbations_per_eval=players,
        )
    progress.report(asked.stage, total, total)
    base = score(torch.zeros_like(every), case).numpy()
    return shares.to(torch.float64).numpy().reshape(-1, *size), base
