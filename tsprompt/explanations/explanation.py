"""What an explanation says, in numbers; JSON and tables are made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from tsprompt.data import Values
from tsprompt.explanations.grid import Grid

__all__ = ["Explanation", "Explanations", "Neighbour", "plain"]


@dataclass(frozen=True)
class Neighbour:
    """A train case that the model takes for alike."""

    label: Any
    """Its class."""
    number: int
    """Its place in train, from 0."""
    id: Any | None
    """Its name, if train has names."""
    distance: float
    """In the features of the head, standardised and weighed as the head does."""
    values: Values
    """(T, F)"""


@dataclass(frozen=True)
class Explanation:
    """Why one case was given its class.

    The score is the log-odds of the predicted class against the runner-up: how many times likelier
    it is, as a natural logarithm. It is `base`, the score of the reference, and the shares of all
    cells, and what these leave over (`rest`).
    """

    number: int
    """The case's place in what was asked about, from 0."""
    id: Any | None
    """Its name, if the cases have names."""
    values: Values
    """(T, F) the series, as it came."""
    predicted: Any
    """The class that the model gives it."""
    runner_up: Any
    """The second likeliest class."""
    probability: float
    """Of the predicted class."""
    runner_up_probability: float
    score: float
    base: float
    """The score of the reference."""
    grid: Grid
    """What was given shares."""
    cells: npt.NDArray[np.float64]
    """(J, G) how much each stretch of each group of features moved the score."""
    by_feature: npt.NDArray[np.float64]
    """(F,) or (G,) how much each feature, or group of neighbours, did."""
    feature_names: tuple[str, ...]
    """What these are called."""
    method: str
    """How the shares were found: `exact`, `ablation` or `shapley`."""
    reference: str
    """What they are relative to, in words."""
    features_by: str
    """How the shares of features were found."""
    nearest: tuple[Neighbour, ...] = ()
    """Train cases of the predicted class, then of the runner-up, the nearest first."""

    @property
    def by_stretch(self) -> npt.NDArray[np.float64]:
        """(J,) how much each stretch of time moved the score, over all features."""
        return np.asarray(self.cells.sum(axis=1))

    @property
    def rest(self) -> float:
        """What the shares leave over of the score: nothing where the method is `exact` or
        `shapley`."""
        return float(self.score - self.base - self.cells.sum())

    def by_timestep(self) -> npt.NDArray[np.float64]:
        """(T,) the shares of stretches, spread evenly over their timesteps."""
        spread = np.zeros(len(self.values))
        for (start, stop), share in zip(self.grid.stretches, self.by_stretch, strict=True):
            spread[start:stop] += share / (stop - start)
        return spread

    def by_value(self) -> npt.NDArray[np.float64]:
        """(T, F) the shares of cells, spread evenly over their values."""
        spread = np.zeros(self.values.shape)
        for (start, stop), shares in zip(self.grid.stretches, self.cells, strict=True):
            for group, share in zip(self.grid.groups, shares, strict=True):
                spread[start:stop, list(group)] += share / ((stop - start) * len(group))
        return spread

    def to_dict(self) -> dict[str, Any]:
        """All of it but the series, for JSON."""
        return {
            "case": self.number + 1,
            "id": plain(self.id),
            "predicted": plain(self.predicted),
            "runner_up": plain(self.runner_up),
            "probability": self.probability,
            "runner_up_probability": self.runner_up_probability,
            "score": self.score,
            "base": self.base,
            "rest": self.rest,
            "method": self.method,
            "reference": self.reference,
            "stretches": [
                {"start": int(start), "stop": int(stop), "share": float(share)}
                for (start, stop), share in zip(self.grid.stretches, self.by_stretch, strict=True)
            ],
            "features": [
                {"feature": name, "share": float(share)}
                for name, share in zip(self.feature_names, self.by_feature, strict=True)
            ],
            "features_by": self.features_by,
            "cells": self.cells.tolist() if len(self.grid.groups) > 1 else None,
            "nearest": [
                {
                    "label": plain(one.label),
                    "case": one.number + 1,
                    "id": plain(one.id),
                    "distance": one.distance,
                }
                for one in self.nearest
            ],
        }


@dataclass(frozen=True)
class Explanations(Sequence[Explanation]):
    """Of several cases."""

    each: tuple[Explanation, ...]

    def __len__(self) -> int:
        return len(self.each)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...
    @overload
    def __getitem__(self, index: slice) -> Explanations: ...
    def __getitem__(self, index: int | slice) -> Explanation | Explanations:
        if isinstance(index, slice):
            return Explanations(self.each[index])
        return self.each[index]

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.each)

    def numbered(self, numbers: Sequence[int]) -> Explanations:
        """The same under other numbers: where the cases stand among more of them."""
        pairs = zip(self.each, numbers, strict=True)
        return Explanations(tuple(replace(one, number=number) for one, number in pairs))

    def to_dict(self) -> list[dict[str, Any]]:
        """For JSON: one dict for each case."""
        return [one.to_dict() for one in self.each]

    def to_frame(self) -> Any:
        """A data frame with a row for each cell: `case`, `id`, `predicted`, `runner_up`, `score`,
        `start`, `stop`, `feature`, `share`."""
        import pandas as pd

        return pd.DataFrame([row for one in self.each for row in _rows(one)])


def _rows(one: Explanation) -> Iterator[dict[str, Any]]:
    for stretch, (start, stop) in enumerate(one.grid.stretches):
        for group, name in enumerate(one.grid.names):
            yield {
                "case": one.number + 1,
                "id": one.id,
                "predicted": one.predicted,
                "runner_up": one.runner_up,
                "score": one.score,
                "start": int(start),
                "stop": int(stop),
                "feature": name,
                "share": float(one.cells[stretch, group]),
            }


def plain(value: Any) -> Any:
    """A label or a name as JSON has it."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
