"""What a head is fitted on, and how train is divided into what it learns from and what judges it.

| letter | counts |
|---|---|
| B | cases of train |
| R | features of a case |
| C | classes |
| V | cases of the development sample |
| U | cases without a label |
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.base.blocks import picked, stacked
from tsprompt.base.seeds import generator
from tsprompt.errors import InputError
from tsprompt.heads.weighing import Weights

__all__ = ["Labels", "Lesson", "hold_out", "seen_elsewhere"]

Labels = npt.NDArray[np.intp]
"""Class numbers, or numbers of cases."""


@dataclass(frozen=True)
class Lesson:
    """All that a head is fitted on."""

    features: Tensor
    """(B, R) of train. They may lie in a file, and may be rounded to bfloat16 there: whoever reads
    them does so by the functions of `tsprompt.base.blocks`."""
    labels: Labels
    """(B,) class numbers; -1 where only probabilities are known."""
    n_classes: int
    seed: int
    optional: Tensor | None = None
    """bool (R,): features that a set may do better without; None: none of them."""
    development: tuple[Tensor, Labels] | None = None
    """Features (V, R) and class numbers (V,): a head that would hold out a part of train validates
    on these instead, and learns from all of train."""
    groups: Labels | None = None
    """(B,) numbers of cases: rows of one case are never on both sides of a validation."""
    unlabelled: Tensor | None = None
    """(U, R) features of cases without a label."""
    chances: npt.NDArray[np.float64] | None = None
    """(B, C) probabilities to learn from in the labels' place, for a head that `takes_soft`.
    Validation asks the cases whose label is known, and no others."""
    weights: Weights | None = None
    """(B + V,) how much each case counts, above 0, those of the development sample behind train;
    None: all alike. To count 2 is to be written twice."""

    @property
    def train_weights(self) -> Weights | None:
        """(B,) of train."""
        return None if self.weights is None else self.weights[: len(self.labels)]

    @property
    def development_weights(self) -> Weights | None:
        """(V,) of the development sample."""
        return None if self.weights is None else self.weights[len(self.labels) :]

    @property
    def without_features(self) -> Lesson:
        """The same, for whoever has what the features say in another table."""
        return dataclasses.replace(self, features=self.features[:, :0])

    def of_rows(self, rows: Labels) -> Lesson:
        """The same with some rows of train alone, and without a development sample."""
        return dataclasses.replace(
            self,
            features=picked(self.features, torch.from_numpy(rows)),
            labels=self.labels[rows],
            development=None,
            groups=None if self.groups is None else self.groups[rows],
            chances=None if self.chances is None else self.chances[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def with_more(self, features: Tensor, labels: Labels, counted: Weights | None) -> Lesson:
        """The same with further rows (n, R) in train, of these labels (n,); each counts as said
        (n,), where cases have weights."""
        weights = self.weights
        if weights is not None and counted is not None:
            count = len(self.labels)
            weights = np.concatenate([weights[:count], counted, weights[count:]])
        return dataclasses.replace(
            self,
            features=stacked([self.features, features]),
            labels=np.concatenate([self.labels, labels]),
            weights=weights,
        )

    def divided(self, share: float) -> tuple[Lesson, Labels, Labels]:
        """The lesson with all cases that are looked at, and which of its rows are to be learned
        from and which validated on: a share of train, or the development sample, which then stands
        behind train.

        Raises
        ------
        InputError
            No class has a case that can be held out.
        """
        if self.development is None:
            return self, *hold_out(self.labels, share, self.seed, self.groups)
        extra, numbers = self.development
        count = len(self.labels)
        whole = dataclasses.replace(
            self,
            features=_behind(self.features, sent(extra, self.features.device)),
            labels=np.concatenate([self.labels, numbers]),
        )
        order = np.arange(len(whole.labels))
        return whole, order[:count], order[count:]


def _behind(features: Tensor, extra: Tensor) -> Tensor:
    """Features (B + V, R), and no copy where these are neighbours in one table."""
    end = features.storage_offset() + len(features) * features.stride(0)
    same = features.untyped_storage().data_ptr() == extra.untyped_storage().data_ptr()
    if same and extra.storage_offset() == end and extra.stride() == features.stride():
        return features.as_strided(
            (len(features) + len(extra), features.shape[1]), features.stride()
        )
    return stacked([features, extra])


def hold_out(
    labels: Labels, share: float, seed: int, groups: Labels | None = None
) -> tuple[Labels, Labels]:
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
