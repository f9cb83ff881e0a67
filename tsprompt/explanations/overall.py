"""Which times and features matter over many cases, by the class that they were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.explanations.explanation import Explanation, plain
from tsprompt.explanations.grid import even_edges

__all__ = ["Overall", "overall"]

STRETCHES = 16
"""Stretches of time, equally long parts of each case."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Overall:
    """Mean shares of the cases that were given one class."""

    predicted: Any
    cases: int
    timesteps: tuple[int, int]
    """The shortest of these cases, and the longest."""
    by_stretch: Doubles
    """(J,) mean shares of equally long parts of the series: positive ones speak for the class."""
    size_by_stretch: Doubles
    """(J,) mean sizes of the shares, whatever their sign."""
    by_feature: Doubles
    """(F,) or (G,)"""
    size_by_feature: Doubles
    feature_names: tuple[str, ...]
    mean_series: Doubles | None
    """(T, F) the mean of these cases, where all have one length."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON. Stretches are given as parts of the series, from 0 to 1."""
        edges = np.linspace(0, 1, len(self.by_stretch) + 1)
        return {
            "predicted": plain(self.predicted),
            "cases": self.cases,
            "timesteps": list(self.timesteps),
            "stretches": [
                {"from": float(a), "to": float(b), "share": float(share), "size": float(size)}
                for a, b, share, size in zip(
                    edges[:-1], edges[1:], self.by_stretch, self.size_by_stretch, strict=True
                )
            ],
            "features": [
                {"feature": name, "share": float(share), "size": float(size)}
                for name, share, size in zip(
                    self.feature_names, self.by_feature, self.size_by_feature, strict=True
                )
            ],
        }

    def rows(self) -> list[dict[str, Any]]:
        """For a table: a row for each stretch, and one for each feature."""
        told = self.to_dict()
        named = {"predicted": told["predicted"], "cases": self.cases}
        stretches = [
            {**named, "kind": "time", "what": f"{one['from']:.4f} to {one['to']:.4f}", **_two(one)}
            for one in told["stretches"]
        ]
        features = [
            {**named, "kind": "feature", "what": one["feature"], **_two(one)}
            for one in told["features"]
        ]
        return stretches + features


def _two(one: dict[str, Any]) -> dict[str, float]:
    return {"share": one["share"], "size": one["size"]}


def overall(explanations: Sequence[Explanation]) -> list[Overall]:
    """Mean shares by predicted class, in the order of the classes' names.

    Parameters
    ----------
    explanations
        Of cases with the same features.
    """
    classes = sorted({str(one.predicted) for one in explanations})
    return [_of([one for one in explanations if str(one.predicted) == name]) for name in classes]


def _of(own: list[Explanation]) -> Overall:
    lengths = [len(one.values) for one in own]
    count = min(STRETCHES, *lengths)
    shares = np.array([_parts(one.by_timestep(), count) for one in own])
    features = np.array([one.by_feature for one in own])
    alike = min(lengths) == max(lengths)
    return Overall(
        predicted=own[0].predicted,
        cases=len(own),
        timesteps=(min(lengths), max(lengths)),
        by_stretch=shares.mean(axis=0),
        size_by_stretch=np.abs(shares).mean(axis=0),
        by_feature=features.mean(axis=0),
        size_by_feature=np.abs(features).mean(axis=0),
        feature_names=own[0].feature_names,
        mean_series=_mean([one.values for one in own]) if alike else None,
    )


def _parts(by_timestep: Doubles, count: int) -> list[float]:
    """Divided where a grid of as many stretches is, so that none of its shares is torn apart."""
    edges = even_edges(len(by_timestep), count)[1:-1]
    return [float(part.sum()) for part in np.split(by_timestep, edges)]


def _mean(series: list[Any]) -> Doubles:
    """Gaps count as nought where all have one, and are left out elsewhere."""
    stacked = np.stack(series).astype(np.float64)
    known = np.isfinite(stacked)
    sums = np.where(known, stacked, 0).sum(axis=0)
    return np.asarray(sums / np.maximum(known.sum(axis=0), 1))
