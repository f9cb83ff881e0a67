"""What a fit is given: cases to learn from, cases to validate on, and cases without a label."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases, IntArray, as_cases
from tsprompt.errors import InputError

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
    order: IntArray | None = None
    """Where each of `cases` stood in train, if the development sample was taken from it."""

    @classmethod
    def of(cls, X: Any, y: Any, unlabelled: Any = None, development: Any = None) -> TrainingData:
        """Check what a user hands in.

        Raises
        ------
        InputError
            Something has a wrong shape or other features, or the development sample has a class
            that train lacks.
        """
        cases = as_cases(X)
        classes, labels = _encode(y, len(cases))
        learn = len(cases)
        if development is not None:
            extra, names = _pair(development)
            _same_features(extra, cases, "development")
            numbers = _number(names, len(extra), classes)
            cases = Cases.joined(cases, extra)
            labels = np.concatenate([labels, numbers])
        free = None
        if unlabelled is not None:
            free = as_cases(unlabelled, argument="unlabelled")
            _same_features(free, cases, "unlabelled")
        return cls(cases, labels, learn, classes, free)

    @classmethod
    def without_labels(cls, X: Any, classes: Any) -> TrainingData:
        """Cases without labels, and the names of the classes.

        Raises
        ------
        InputError
            X has a wrong shape, or the classes are no list of different names.
        """
        cases, names = as_cases(X), np.asarray(classes)
        if names.ndim != 1 or len(names) < 2 or len(np.unique(names)) != len(names):
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
        )

    def rejoined(self) -> TrainingData:
        """The same with all of train to learn from, also what was set aside of it."""
        return dataclasses.replace(self, learn=len(self.cases)) if self.set_aside else self

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


def _pair(development: Any) -> tuple[Cases, Any]:
    if not isinstance(development, (tuple, list)) or len(development) != 2:
        raise InputError("development must be a pair: cases and their labels")
    return as_cases(development[0], argument="development"), development[1]


def _same_features(cases: Cases, train: Cases, argument: str) -> None:
    if cases.n_features != train.n_features:
        raise InputError(
            f"{argument} has {cases.n_features} features, X has {train.n_features}; "
            "give the same features in the same order"
        )


def _number(names: Any, count: int, classes: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Class numbers (V,) of the development sample's labels."""
    labels = np.asarray(names)
    if labels.shape != (count,):
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


def _encode(y: Any, count: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """Sorted labels (C,) and class numbers (B,)."""
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != count:
        raise InputError(
            f"y has shape {labels.shape}; one label for each of the {count} cases of X is needed"
        )
    if labels.dtype.kind == "S" or any(isinstance(one, bytes) for one in labels.tolist()):
        raise InputError("y holds bytes, which no file of labels can keep; give np.char.decode(y)")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise InputError("y holds NaN or inf; remove these cases or label them")
    if labels.dtype == object:
        kinds = {type(label) for label in labels}
        if len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise InputError(f"y mixes labels of several types ({names}); convert them to one")
    classes, numbers = np.unique(labels, return_inverse=True)
    return classes, numbers.astype(np.intp)
