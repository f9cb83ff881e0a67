"""Train, where it is at hand: its mean series, and what of it the model takes for alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.data import Cases, IntArray
from tsprompt.explanations.explanation import Neighbour
from tsprompt.heads.weighing import standardiser
from tsprompt.model.fitted import Fitted

__all__ = ["Train"]

_ROWS = 256
"""Train cases whose features are compared at once."""


@dataclass
class Train:
    """The cases that a model was fitted on, and their class numbers."""

    fitted: Fitted
    cases: Cases
    labels: IntArray
    """(n,) numbers among the model's classes."""

    def mean_series(self, timesteps: int) -> npt.NDArray[np.float64] | None:
        """(T, F) the mean of all cases at each timestep; None where they have other lengths."""
        if not self.cases.equal_length or int(self.cases.lengths[0]) != timesteps:
            return None
        values = np.stack(list(self.cases)).astype(np.float64)
        known = np.isfinite(values)
        sums = np.where(known, values, 0.0).sum(axis=0)
        return np.asarray(sums / np.maximum(known.sum(axis=0), 1))

    def nearest(
        self, cases: Cases, features: Tensor, label: IntArray, count: int
    ) -> list[list[Neighbour]]:
        """The nearest of one class, the nearest first, for each of B cases.

        Parameters
        ----------
        features
            (B, R) of the cases.
        label
            (B,) the number of the class whose cases are looked through.
        """
        apart = self._distances(features)
        found = []
        for number, one in enumerate(cases):
            own = np.flatnonzero(self.labels == label[number])
            order = own[np.argsort(apart[number, own], kind="stable")]
            # A case that was train itself says nothing by being there.
            other = (k for k in order.tolist() if not np.array_equal(self.cases[k], one))
            chosen = [k for k, _ in zip(other, range(count), strict=False)]
            found.append([self._neighbour(k, apart[number, k]) for k in chosen])
        return found

    def _neighbour(self, number: int, distance: float) -> Neighbour:
        ids = self.cases.ids
        return Neighbour(
            label=self.fitted.classes[self.labels[number]],
            number=number,
            id=None if ids is None else ids[number],
            distance=float(distance),
            values=self.cases[number],
        )

    def _distances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, n) Euclidean distances of features (B, R) to train's, each in the head's units and
        weighed by the length of its row of weights."""
        mean, unit = self._scale
        asked = (features.cpu() - mean) * unit
        parts = [
            torch.cdist(asked, (part - mean) * unit, compute_mode="donot_use_mm_for_euclid_dist")
            for part in self._features.split(_ROWS)
        ]
        return np.asarray(torch.cat(parts, dim=1).to(torch.float64).numpy())

    @cached_property
    def _features(self) -> Tensor:
        """(n, R), read once."""
        progress.report("reading train", 0, len(self.cases))
        return self.fitted.features(self.cases).cpu()

    @cached_property
    def _scale(self) -> tuple[Tensor, Tensor]:
        """(R,) what is taken off each feature, and what it is multiplied by."""
        linear = self.fitted.design.combination.linear()
        if linear is None:
            mean, unit = standardiser(self._features, None)
            return mean, 1 / unit
        return linear.mean, linear.weights.norm(dim=1) / linear.unit
