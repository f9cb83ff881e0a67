"""What a fit is given: cases to learn from, cases to validate on, and cases without a label."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import (
    Cases,
    Expected,
    IntArray,
    as_cases,
    label_array,
)
from tsprompt.data.loaders import is_loader, load_all
from tsprompt.errors import InputError
from tsprompt.heads.weighing import Weights
from tsprompt.model.weights import ClassWeight, case_weights, check_sample_weight

__all__ = ["TrainingData"]


@dataclass(frozen=True)
class TrainingData:
    """Validated input of a fit."""

    cases: Cases
    """The cases to learn from, and behind them the development sample."""
    labels: npt.NDArray[np.intp]
    """Class number of each of `cases`; of none, where nothing has a label (zero-shot)."""
    learn: int
    """B, how many of `cases` scales, vocabularies and heads are learned from."""
    classes: npt.NDArray[Any]
    """(C,) labels, sorted."""
    unlabelled: Cases | None = None
    """U further cases, without labels."""
    weights: Weights | None = None
    """How much each of `cases` counts, all of them above 0; None: all alike."""
    order: IntArray | None = None
    """Where each of `cases` stood in train, if the development sample was taken from it."""

    @classmethod
    def of(
        cls,
        X: Any,
        y: Any,
        unlabelled: Any = None,
        development: Any = None,
        *,
        axes: str = "BTF",
        sample_weight: Any = None,
        class_weight: ClassWeight = None,
    ) -> TrainingData:
        """Check what a user hands in. Cases of no weight are left out.

        Raises
        ------
        InputError
            Something has a wrong shape or other features, the development sample has a class that
            train lacks, or a weight is negative or no number.
        """
        if is_loader(X):
            X, y = _loaded(X, y)
        cases = as_cases(X, axes=axes)
        classes, labels = np.unique(label_array(y, len(cases)), return_inverse=True)
        labels, own = labels.astype(np.intp), None
        if sample_weight is not None:
            own = check_sample_weight(sample_weight, labels, classes)
            there = np.flatnonzero(own > 0)
            if len(there) < len(own):
                cases, labels, own = cases.take(there), labels[there], own[there]
        expected, learn = Expected.of(cases), len(cases)
        if development is not None:
            extra, names = _pair(development, axes)
            extra = expected.aligned(extra, "development", "X has")
            numbers = _number(names, len(extra), classes)
            cases = Cases.joined(cases, extra)
            labels = np.concatenate([labels, numbers])
        free = None
        if unlabelled is not None:
            free = as_cases(unlabelled, argument="unlabelled", axes=axes)
            free = expected.aligned(free, "unlabelled", "X has")
        weights = case_weights(labels, learn, classes, own, class_weight)
        return cls(cases, labels, learn, classes, free, weights)

    @classmethod
    def without_labels(cls, X: Any, classes: Any, *, axes: str = "BTF") -> TrainingData:
        """Cases without labels, and the names of the classes.

        Raises
        ------
        InputError
            X has a wrong shape, or the classes are no list of different names.
        """
        cases, names = as_cases(X, axes=axes), label_array(classes, argument="classes")
        if len(names) < 2 or len(np.unique(names)) != len(names):
            raise InputError(
                "classes must be a list of the different labels, two or more, each named once"
            )
        return cls(cases, np.empty(0, np.intp), len(cases), np.unique(names))

    def with_development(self, learn: IntArray, develop: IntArray) -> TrainingData:
        """The same with a development sample that is taken from train: these (B,) are left to learn
        from, and these (V,) set aside."""
        order = np.concatenate([learn, develop])
        return dataclasses.replace(
            self,
            cases=self.cases.take(order),
            labels=self.labels[order],
            learn=len(learn),
            order=order,
            weights=None if self.weights is None else self.weights[order],
        )

    def rejoined(self) -> TrainingData:
        """The same with all of train to learn from, also what was set aside of it."""
        return dataclasses.replace(self, learn=len(self.cases)) if self.set_aside else self

    @property
    def expected(self) -> Expected:
        """What cases to be predicted must look like."""
        return Expected.of(self.train)

    @property
    def set_aside(self) -> bool:
        """Whether the development sample is a part of train, and was not given."""
        return self.order is not None

    @property
    def whole(self) -> Cases:
        """All of train in its own order, also what was set aside of it."""
        return self.train if self.order is None else self.cases.take(np.argsort(self.order))

    @property
    def train(self) -> Cases:
        """The cases to learn from, without the development sample."""
        return self.cases[: self.learn] if self.development else self.cases

    @property
    def development(self) -> int:
        """V, the cases of the development sample."""
        return len(self.cases) - self.learn

    @property
    def zero_shot(self) -> bool:
        """Whether no case has a label."""
        return len(self.labels) == 0


def _loaded(X: Any, y: Any) -> tuple[list[Any], Any]:
    """The cases of a loader, and its labels or those that were given beside it."""
    cases, own = load_all(X)
    if own is not None and y is not None:
        raise InputError("X brings its own labels; leave y out")
    if own is None and y is None:
        raise InputError("X brings no labels; give them as y, or let the loader give pairs")
    return cases, y if own is None else own


def _pair(development: Any, axes: str) -> tuple[Cases, Any]:
    if not isinstance(development, (tuple, list)) or len(development) != 2:
        raise InputError("development must be a pair: cases and their labels")
    return as_cases(development[0], argument="development", axes=axes), development[1]


def _number(names: Any, count: int, classes: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Class numbers (V,) of the development sample's labels."""
    labels = label_array(names, argument="y of the development sample")
    if len(labels) != count:
        raise InputError(
            f"the labels of the development sample have shape {labels.shape}; one for each of its "
            f"{count} cases is needed"
        )
    number_of = {label: number for number, label in enumerate(classes.tolist())}
    for label in labels.tolist():
        if label not in number_of:
            raise InputError(
                f"the development sample has the class {label!r}, which y lacks; "
                "a class can't be validated that was not learned"
            )
    return np.array([number_of[label] for label in labels.tolist()], dtype=np.intp)
