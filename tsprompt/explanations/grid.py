"""What an explanation gives shares to: stretches of time, and features or groups of them.

J stretches and G groups; a cell is one stretch of one group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases, IntArray

__all__ = ["Grid", "default_stretches", "even_edges"]

_STRETCHES = 16
"""Stretches of a series by default, where there is one feature."""
_CELLS = 96
"""Cells at the most, unless it is said how many stretches: each costs passes of the model."""
_GROUPS = 24
"""Groups at the most: more features are taken together, neighbours with neighbours."""
_FEWEST = 4
"""Stretches, however many features there are."""


@dataclass(frozen=True)
class Grid:
    """How one case is divided."""

    stretches: IntArray
    """(J, 2) first timestep of each stretch, and the first behind it."""
    groups: tuple[tuple[int, ...], ...]
    """G groups of features."""
    names: tuple[str, ...]
    """(G,) what they are called."""

    @classmethod
    def even(cls, cases: Cases, number: int, stretches: int) -> Grid:
        """Equally long stretches of one of the cases; it has as many timesteps or more."""
        groups, names = _feature_groups(cases)
        timesteps = int(cases.lengths[number])
        edges = even_edges(timesteps, stretches)
        return cls(np.column_stack([edges[:-1], edges[1:]]), groups, names)

    @classmethod
    def steps(cls, patch: int, seen: int, timesteps: int, features: int) -> Grid:
        """A model's own steps, of `patch` of the `seen` timesteps that a series was brought to;
        all features together."""
        starts = np.arange(0, seen, patch)
        share = timesteps / seen
        first = np.floor(starts * share).astype(np.intp)
        last = np.ceil(np.minimum(starts + patch, seen) * share).astype(np.intp)
        stretches = np.column_stack([first, np.maximum(last, first + 1)])
        return cls(stretches, (tuple(range(features)),), ("all features",))

    @property
    def size(self) -> tuple[int, int]:
        """J and G."""
        return len(self.stretches), len(self.groups)

    def spread(self, cells: npt.NDArray[np.bool_], timesteps: int) -> npt.NDArray[np.bool_]:
        """(n, T, F) which values n choices of cells (n, J, G) stand for."""
        features = np.empty(sum(map(len, self.groups)), dtype=np.intp)
        for number, group in enumerate(self.groups):
            features[list(group)] = number
        at = np.searchsorted(self.stretches[:, 1], np.arange(timesteps), side="right")
        return np.asarray(cells[:, at][:, :, features])


def even_edges(timesteps: int, stretches: int) -> IntArray:
    """(J + 1,) where equally long stretches begin, and where the last ends."""
    return np.linspace(0, timesteps, stretches + 1).round().astype(np.intp)


def default_stretches(n_features: int) -> int:
    """J where nobody says how many."""
    groups = min(n_features, _GROUPS)
    return max(_FEWEST, min(_STRETCHES, _CELLS // groups))


def _feature_groups(cases: Cases) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """Each feature by itself, or neighbours together where there are many; and their names."""
    count = cases.n_features
    own = cases.features or tuple(str(number + 1) for number in range(count))
    parts = np.array_split(np.arange(count), min(count, _GROUPS))
    groups = tuple(tuple(part.tolist()) for part in parts)
    names = [own[one[0]] if len(one) == 1 else f"{own[one[0]]} to {own[one[-1]]}" for one in groups]
    return groups, tuple(names)
