"""What every head does: learn classes from features, and judge itself inside train."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.part import Part
from tsprompt.registry import Registry
from tsprompt.seeds import generator

__all__ = ["Head", "heads", "hold_out", "standardiser"]

heads: Registry[Head] = Registry("head", "tsprompt.heads")

Labels = npt.NDArray[np.intp]


@dataclass
class Head(Part):
    """Maps features (B, R) to class probabilities (B, C).

    After `fit`, `validation_loss_` (mean negative log-likelihood) and `validation_accuracy_` tell
    how well it does on train cases that it had not learned from. Selection uses nothing else.
    """

    min_per_class: ClassVar[int] = 1
    """Train cases that each class needs."""

    validation_loss_ = float("nan")
    validation_accuracy_ = float("nan")

    @abstractmethod
    def fit(
        self,
        features: Tensor,
        labels: Labels,
        n_classes: int,
        seed: int,
        optional: Tensor | None = None,
    ) -> Head:
        """Learn from train features (B, R) and class numbers (B,).

        `optional`, bool (R,), says which features a set may do better without; None: none of them.
        """

    @abstractmethod
    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) class probabilities of features (B, R)."""

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """How many numbers it has learned."""

    @abstractmethod
    def validation_kind(self) -> str:
        """How the validation figures were come by, in a few words."""

    def _learn_scale(self, features: Tensor) -> Tensor:
        self.mean_, self.unit_ = standardiser(features)
        return self._scaled(features)

    def _scaled(self, features: Tensor) -> Tensor:
        return (features - self.mean_.to(features.device)) / self.unit_.to(features.device)

    def state(self) -> dict[str, Any]:
        """Also the validation figures."""
        return {
            **super().state(),
            "validation_loss_": self.validation_loss_,
            "validation_accuracy_": self.validation_accuracy_,
        }


def standardiser(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (R,) of features (B, R); 1 where a feature never changes."""
    mean = features.mean(dim=0)
    spread = features.std(dim=0, correction=0)
    return mean, spread.where(spread > 1e-6 * (1 + mean.abs()), spread.new_ones(()))


def hold_out(
    labels: Labels, share: float, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Split train (B,) into a part to learn from and a part to validate on, class by class.

    Each class is in both parts, and so must have two cases, as `min_per_class` demands.
    """
    order = generator(seed, "hold out").permutation(len(labels))
    validates = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        own = order[labels[order] == label]
        validates[own[: int(np.clip(round(share * len(own)), 1, len(own) - 1))]] = True
    return np.flatnonzero(~validates), np.flatnonzero(validates)
