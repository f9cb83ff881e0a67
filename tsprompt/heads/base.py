"""What every head does: learn classes from features, and judge itself inside train."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tsprompt.backbones import Backbone
from tsprompt.base.part import Part
from tsprompt.base.registry import Registry
from tsprompt.base.seeds import generator
from tsprompt.errors import InputError

__all__ = [
    "NO_VALIDATION",
    "Head",
    "HoldsOut",
    "Perceptron",
    "heads",
    "hold_out",
    "seen_elsewhere",
    "standardiser",
]

heads: Registry[Head] = Registry("head")

Labels = npt.NDArray[np.intp]

NO_VALIDATION = "none, with one case of each class"
"""How validation figures were come by where no case can be left out, and no others are there."""


class _Validating(Part):
    """What a head is told to validate on, while it is fitted. No options: no dataclass."""

    developed_ = False
    """Whether the validation figures are those of a development sample."""
    _development: tuple[Tensor, Labels] | None = None
    _unlabelled: Tensor | None = None
    _groups: Labels | None = None


@dataclass
class Head(_Validating):
    """Maps features (B, R) to class probabilities (B, C).

    After `fit`, `validation_loss_` (mean negative log-likelihood) and `validation_accuracy_` tell
    how well it does on train cases that it had not learned from. Selection uses nothing else.
    """

    validation_loss_ = float("nan")
    validation_accuracy_ = float("nan")

    reads_mask: ClassVar[bool] = False
    """Whether features must be what the model says at the mask, at one layer: for heads that read
    it as words."""

    needs_words: ClassVar[bool] = False
    """Whether it uses the words of the language model."""
    takes_soft: ClassVar[bool] = False
    """Whether `fit_soft` learns from probabilities instead of labels."""
    without_cases: ClassVar[str | None] = None
    """The spec under which it needs no training case, where there is one."""

    @property
    def needs_cases(self) -> bool:
        """Whether it learns from training cases; if not, it may be used zero-shot."""
        return True

    @property
    def held_share(self) -> float:
        """Share of train that it holds out to validate on, unless there is a development sample."""
        return 0.0

    @property
    def min_per_class(self) -> int:
        """Train cases that each class needs: one in each part."""
        return 2 if self.held_share else 1

    @property
    def class_words(self) -> list[int] | None:
        """The id of a word for each class, if it has met the classes and takes words for them."""
        return None

    def fresh(self) -> Head:
        """A head of the same options that has learned nothing, but met what this one has met."""
        copy = dataclasses.replace(self)
        copy.__dict__.update(self._met)
        return copy

    @property
    def _met(self) -> dict[str, Any]:
        """What `meet` has set: it is not saved, and not learned."""
        return {key: value for key, value in vars(self).items() if key.startswith("met_")}

    def meet(self, backbone: Backbone, classes: list[str]) -> None:
        """Get to know the language model and the names of the classes, before `fit` and after
        `restore`. What is kept of them is in attributes whose names start with ``met_``.

        Raises
        ------
        ConfigError
            The head has no meaning with this language model or these classes.
        """

    def coach(
        self, features: Tensor, n_classes: int, hidden: int, labels: Labels | None = None
    ) -> nn.Module:
        """What guides a prompt while it is trained: a module from features (b, R) to scores (b, C).

        Parameters
        ----------
        features
            (B, R) of the cases to learn from, under the prompt as it first is.
        hidden
            Units of a perceptron, where the head has no module of its own.
        labels
            (B,) class numbers of these cases.
        """
        return Coach(*standardiser(features), hidden, n_classes)

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

    def fit_soft(
        self,
        features: Tensor,
        chances: npt.NDArray[np.float64],
        labels: Labels,
        seed: int,
        optional: Tensor | None = None,
    ) -> Head:
        """Learn from features (B, R) and probabilities (B, C), if the head `takes_soft`.

        Parameters
        ----------
        labels
            (B,) class numbers where they are known, and else -1. Validation asks these alone.
        """
        raise NotImplementedError(f"the head {self.name!r} can't learn from probabilities")

    def learn(
        self,
        features: Tensor,
        labels: Labels,
        n_classes: int,
        seed: int,
        optional: Tensor | None = None,
        *,
        development: tuple[Tensor, Labels] | None = None,
        groups: Labels | None = None,
        unlabelled: Tensor | None = None,
        chances: npt.NDArray[np.float64] | None = None,
    ) -> Self:
        """`fit`, or `fit_soft` if there are `chances` (B, C), and say what it is to validate on,
        and what else there is.

        Parameters
        ----------
        development
            Features (V, R) and class numbers (V,): a head that would hold out a part of train
            validates on these instead, and learns from all of train.
        groups
            (B,) numbers of cases: rows of one case are never on both sides of a validation.
        unlabelled
            Features (U, R) of cases without a label.
        """
        self._development, self._groups, self._unlabelled = development, groups, unlabelled
        try:
            if chances is None:
                self.fit(features, labels, n_classes, seed, optional)
            else:
                self.fit_soft(features, chances, labels, seed, optional)
        finally:
            self._development = self._groups = self._unlabelled = None
        return self

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


class HoldsOut(_Validating):
    """For heads that learn from a part of train and validate on the rest, or on the development
    sample, where there is one."""

    validation: float
    """Share of train that is held out."""

    @property
    def held_share(self) -> float:
        """The option."""
        return self.validation

    def held_out(
        self, features: Tensor, labels: Labels, seed: int
    ) -> tuple[Tensor, Labels, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Features and labels, and which of them it learns from and validates on."""
        if self._development is None:
            return features, labels, *hold_out(labels, self.validation, seed, self._groups)
        self.developed_ = True
        extra, numbers = self._development
        count = len(labels)
        both = torch.cat([features, extra.to(features.device)])
        order = np.arange(len(both))
        return both, np.concatenate([labels, numbers]), order[:count], order[count:]

    def validation_kind(self) -> str:
        """What `held_out` gave to validate on, in a few words."""
        return (
            "development sample" if self.developed_ else f"{self.validation:.0%} of train held out"
        )


class Perceptron(nn.Sequential):
    """R -> hidden -> C, with ReLU."""

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))


class Coach(nn.Module):
    """A perceptron on standardised features."""

    mean: Tensor
    unit: Tensor

    def __init__(self, mean: Tensor, unit: Tensor, hidden: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("unit", unit)
        self.perceptron = Perceptron(len(mean), hidden, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Scores (b, C) of features (b, R)."""
        out: Tensor = self.perceptron((features - self.mean) / self.unit)
        return out


def standardiser(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (R,) of features (B, R); 1 where a feature never changes."""
    mean = features.mean(dim=0)
    spread = features.std(dim=0, correction=0)
    return mean, spread.where(spread > 1e-6 * (1 + mean.abs()), spread.new_ones(()))


def hold_out(
    labels: Labels, share: float, seed: int, groups: Labels | None = None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Split train (B,) into a part to learn from and a part to validate on, class by class.

    Each class is in both parts, and so must have two cases, as `min_per_class` demands. Rows of one
    group (B,), where groups are given, stay together.

    Raises
    ------
    InputError
        No class has two cases.
    """
    if groups is not None:
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        parts = hold_out(labels[first], share, seed)
        learn, validate = (np.flatnonzero(np.isin(group, part)) for part in parts)
        return learn, validate
    order = generator(seed, "hold out").permutation(len(labels))
    validates = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        own = order[labels[order] == label]
        validates[own[: int(np.clip(round(share * len(own)), 1, len(own) - 1))]] = True
    if not validates.any():
        raise InputError(
            "nothing can be held out to validate on, for each class has one case; add cases, or "
            "give a development sample of these classes"
        )
    return np.flatnonzero(~validates), np.flatnonzero(validates)


def seen_elsewhere(labels: Labels, groups: Labels | None) -> npt.NDArray[np.bool_]:
    """Which rows (B,) have a known label that a row of another case, or group (B,), has too. Rows
    without a label have probabilities of all classes."""
    if (labels < 0).any():
        return labels >= 0
    cases = np.arange(len(labels)) if groups is None else groups
    pairs = np.unique(np.stack([labels, cases]), axis=1)
    known, cases_of = np.unique(pairs[0], return_counts=True)
    return np.isin(labels, known[cases_of > 1])
