"""What every combination does: give each prompt a task, and fit heads on all that they say."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.data import Cases
from tsprompt.heads import Head
from tsprompt.heads.base import Labels
from tsprompt.part import Part
from tsprompt.registry import Registry

__all__ = ["Combination", "Evidence", "Task", "combinations"]

combinations: Registry[Combination] = Registry("combination", "tsprompt.combinations")


@dataclass(frozen=True)
class Task:
    """What one prompt is to tell apart."""

    labels: Labels
    """(B,) class numbers."""
    n_classes: int


@dataclass
class Evidence:
    """What all prompts make the model say about train."""

    features: Tensor
    """(B, R) of all readings, side by side; each has as many."""
    members: list[int]
    """For each reading the member of the ensemble that it belongs to."""
    tasks: list[Task]
    """For each member."""
    labels: Labels
    """(B,) class numbers."""
    n_classes: int
    optional: Tensor
    """bool (R,): features that a set may do better without."""
    unlabelled: Tensor | None = None
    """(U, R) features of cases without a label."""

    @property
    def blocks(self) -> list[slice]:
        """The columns of each reading."""
        width = self.features.shape[1] // len(self.members)
        return [slice(k * width, (k + 1) * width) for k in range(len(self.members))]


@dataclass
class Combination(Part):
    """Fits one head or several on the features of all readings, and joins what they say.

    `heads_` are the fitted heads. `validation_loss_` and `validation_accuracy_` tell how well they
    do on train cases that they had not learned from.
    """

    validation_loss_ = float("nan")
    validation_accuracy_ = float("nan")

    def __post_init__(self) -> None:
        self.heads_: list[Head] = []

    def tasks(self, cases: Cases, labels: Labels, n_classes: int, n_prompts: int) -> list[Task]:
        """One for each prompt that is asked for; or as many as the combination needs."""
        return [Task(labels, n_classes)] * n_prompts

    @abstractmethod
    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Learn from train; `head` is not fitted, and is not changed."""

    @abstractmethod
    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) class probabilities of features (B, R) of all readings, side by side."""

    @property
    def n_parameters(self) -> int:
        """How many numbers the heads have learned."""
        return sum(head.n_parameters for head in self.heads_)

    def validation_kind(self) -> str:
        """How the validation figures were come by, in a few words."""
        kind = self.heads_[0].validation_kind()
        return kind if len(self.heads_) == 1 else f"{kind}, mean of {len(self.heads_)} heads"

    def _keep(self, heads: list[Head]) -> None:
        self.heads_ = heads
        self.validation_loss_ = float(np.mean([one.validation_loss_ for one in heads]))
        self.validation_accuracy_ = float(np.mean([one.validation_accuracy_ for one in heads]))

    def _blocks(self, features: Tensor, count: int) -> tuple[Tensor, ...]:
        return torch.chunk(features, count, dim=1)

    def state(self) -> dict[str, Any]:
        """With the states of the heads."""
        return {
            **super().state(),
            "heads_": [head.state() for head in self.heads_],
            "validation_loss_": self.validation_loss_,
            "validation_accuracy_": self.validation_accuracy_,
        }

    def rebuild(
        self, state: dict[str, Any], head: Head, backbone: Backbone, classes: list[str]
    ) -> None:
        """Put back what `state` gave, with heads of the kind of `head`."""
        self.restore({key: value for key, value in state.items() if key != "heads_"})
        head.meet(backbone, classes)
        self.heads_ = [head.fresh() for _ in state["heads_"]]
        for one, kept in zip(self.heads_, state["heads_"], strict=True):
            one.restore(kept)
