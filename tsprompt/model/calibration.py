"""Sets of classes that hold the true one as often as is promised: conformal prediction.

A case of the classes' probabilities alone says how sure a model is, not how often it is right. Of
the cases that the model had not learned from, when it judged itself, the probabilities of their
true classes are kept. A class is in the set of a new case unless its probability is lower there
than the true class's was in nearly all of these (Vovk, Gammerman and Shafer 2005; of the true
class's probability: Sadinle, Lei and Wasserman 2019). If the new case is one of the same kind, its
true class is in the set as often as is asked for; that is exact where the kept cases were held out
once, and nearly so where each was left out in turn (Barber et al. 2021): see
docs/results/coverage.md.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from typing_extensions import TypedDict

from tsprompt.base.seeds import generator
from tsprompt.base.state import numbers
from tsprompt.combinations import Evidence
from tsprompt.errors import Advice, ConfigError, InputError, Setting, notice
from tsprompt.heads import Judgement
from tsprompt.model.design import Design

if TYPE_CHECKING:
    from crepes import ConformalClassifier

__all__ = [
    "Calibration",
    "Kept",
    "calibrate",
    "check_coverage",
    "judge",
    "unlike_train",
    "why_none",
]

Sets = npt.NDArray[np.bool_]
"""(B, C) which classes are in the set of each case."""

_MOST = 4_000
"""Cases that are kept, drawn at random."""
_GROUPS = ("all", "class")
_NARROW = 1e-9
"""So much above the least chance a p-value must lie: one that is just as large is left out."""


@dataclass(frozen=True)
class Calibration:
    """How probable the true class was of cases that were not learned from."""

    chances: npt.NDArray[np.float64]
    """(n,) probability of the true class."""
    labels: npt.NDArray[np.int64]
    """(n,) class numbers."""

    class State(TypedDict):
        """As a saved model keeps it."""

        chances: Annotated[Tensor, numbers("float64", "A", least=0, most=1)]
        labels: Annotated[Tensor, numbers("int64", "A", least=0, below="C")]

    @classmethod
    def of(
        cls, labels: npt.NDArray[np.intp], chances: npt.NDArray[np.float64], seed: int
    ) -> Calibration:
        """From class numbers (n,) and probabilities (n, C); the seed draws some, if there are
        many."""
        own = chances[np.arange(len(labels)), labels]
        # A case that a fold's solver gave no number for is one that nothing good is known of.
        own = np.nan_to_num(own, nan=0.0).clip(0, 1)
        if len(labels) > _MOST:
            some = generator(seed, "calibration").permutation(len(labels))[:_MOST]
            own, labels = own[some], labels[some]
        order = np.lexsort((own, labels))  # what stood where in train need not be told
        return cls(own[order], labels[order].astype(np.int64))

    def state(self) -> dict[str, Any]:
        """As tensors."""
        return {
            "chances": torch.from_numpy(self.chances),
            "labels": torch.from_numpy(self.labels),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Calibration:
        """From what `state` gave."""
        return cls(state["chances"].numpy(), state["labels"].numpy())

    def sets(self, chances: npt.NDArray[np.float64], coverage: float, *, by: str = "all") -> Sets:
        """The set (B, C) of each case with these probabilities (B, C).

        Parameters
        ----------
        coverage
            In what share of cases the set is to hold the true class, between 0 and 1.
        by
            `all`: the share is one of all cases together; `class`: of each class by itself, which
            needs as many cases of each class (Mondrian, Vovk et al. 2005).

        Raises
        ------
        ConfigError
            The coverage is not between 0 and 1, or `by` is unknown.
        InputError
            There are too few cases for it.
        """
        check_coverage(coverage, by)
        self.check_count(coverage, by)
        if by == "class":
            self._tell_of_few(coverage, chances.shape[1])
        judge, strange = self._judge(by), 1 - chances
        if by == "all":
            values = judge.predict_p(strange, smoothing=False)
        else:
            values = np.column_stack(
                [
                    judge.predict_p(one, np.full(len(one), label), smoothing=False)
                    for label, one in enumerate(strange.T)
                ]
            )
        return np.asarray(values > 1 - coverage + _NARROW)

    def _judge(self, by: str) -> ConformalClassifier:
        with warnings.catch_warnings():  # crepes changes Python's filters when it is imported
            from crepes import ConformalClassifier
        bins = self.labels if by == "class" else None
        return ConformalClassifier().fit(1 - self.chances, bins)

    def check_count(self, coverage: float, by: str = "all") -> None:
        """See that there are enough cases.

        Raises
        ------
        InputError
            There are not.
        """
        needed, held, of_each = cases_needed(coverage), len(self), ""
        if by == "class":
            held, of_each = int(np.bincount(self.labels, minlength=1).max()), " of each class"
        if held < needed:
            most = math.floor(1000 * held / (held + 1)) / 1000
            raise InputError(
                f"a coverage of {coverage:g} needs {needed} cases{of_each} to calibrate with, and "
                f"there are {held}{' of the largest' if of_each else ''}; ask for "
                f"{most:g} or less",
                Advice(
                    ", or give more labelled cases, which the model has not seen, with ",
                    Setting("calibrate_on"),
                ),
            )

    def _tell_of_few(self, coverage: float, n_classes: int) -> None:
        needed = cases_needed(coverage)
        few = int((np.bincount(self.labels, minlength=n_classes) < needed).sum())
        if few:
            notice(
                f"{few} of the {n_classes} classes are in every set: they have fewer than the "
                f"{needed} cases that a coverage of {coverage:g} by class needs"
            )

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.labels)


def cases_needed(coverage: float) -> int:
    """The least number of cases with which a set can be smaller than all classes."""
    return math.ceil(1 / (1 - coverage) - 1e-6) - 1


def check_coverage(coverage: Any, by: str = "all") -> None:
    """See that it is one.

    Raises
    ------
    ConfigError
        The coverage is not a number between 0 and 1, or `by` is unknown.
    """
    number = isinstance(coverage, Real) and not isinstance(coverage, bool)
    if not number or not 0 < float(coverage) < 1:
        raise ConfigError(
            Setting("coverage"),
            f" is the share of cases whose set holds the true class, and lies between 0 and 1, as "
            f"0.9 does: {coverage!r}",
        )
    if by not in _GROUPS:
        raise ConfigError(Setting("coverage_by"), f" is one of {' and '.join(_GROUPS)}, not {by!r}")


def unlike_train(sets: Sets) -> npt.NDArray[np.bool_]:
    """(B,) which cases are unlike those of train: no class fits, or more than half of them do (of
    two or three: all)."""
    sizes, n_classes = sets.sum(axis=1), sets.shape[1]
    return np.asarray((sizes == 0) | (sizes == n_classes) | (sizes > max(n_classes / 2, 2)))


@dataclass(frozen=True)
class Kept:
    """How well sets kept their promise on labelled cases."""

    coverage: float
    """Share of the cases whose set holds the true class."""
    by_class: list[float]
    """(C,) the same of each class; NaN where it has no case."""
    size: float
    """Mean number of classes in a set."""
    unlike_train: float
    """Share of the cases that are unlike those of train."""

    @classmethod
    def of(cls, sets: Sets, labels: npt.NDArray[np.intp]) -> Kept:
        """Of the sets (B, C) of cases with these class numbers (B,); -1: a class not of train's,
        which no set holds."""
        held = sets[np.arange(len(labels)), labels] & (labels >= 0)
        own = [held[labels == label] for label in range(sets.shape[1])]
        return cls(
            float(held.mean()),
            [float(one.mean()) if len(one) else float("nan") for one in own],
            float(sets.sum(axis=1).mean()),
            float(unlike_train(sets).mean()),
        )


def judge(parts: Design, evidence: Evidence) -> Judgement | None:
    """What a fitted model says of cases of which it had learned nothing; None: there are none."""
    if not len(evidence.all_labels):
        return None
    judged = None if _obstacle(parts) else parts.combination.judged(evidence)
    if judged is None and evidence.development is not None:
        features, labels = evidence.development
        rows = len(evidence.labels) + np.arange(len(labels))
        judged = Judgement(rows, labels, parts.combination.probabilities(features))
    return judged if judged is not None and len(judged.rows) else None


def calibrate(judged: Judgement | None, seed: int) -> Calibration | None:
    """What there is to calibrate by."""
    return None if judged is None else Calibration.of(judged.labels, judged.chances, seed)


def _obstacle(parts: Design) -> str | None:
    """Why cases that the head leaves out are not new to the model; None: they are."""
    if parts.combination.unjudged:
        return parts.combination.unjudged
    if parts.tuner.unjudged:
        return parts.tuner.unjudged
    if parts.tuner.held_share and not parts.head.held_share:
        return "its prompt was trained on the cases that its head judges itself by"
    if parts.context.shows_cases and parts.head.needs_cases and not parts.head.held_share:
        return "the cases that its head judges itself by stood with their labels beside others"
    return None


def why_none(parts: Design, *, labelled: bool) -> ConfigError:
    """What to say where a fitted model has no calibration; `labelled`: its train had labels."""
    reason = _obstacle(parts)
    if not labelled:
        reason = "it was fitted without labels"
    if reason is None:
        reason = (
            "it was saved by an earlier release (fit it again), or it was fitted on too few cases "
            "for any of them to be left out"
        )
    return ConfigError(
        f"this model can't say which classes a set must hold: {reason}",
        Advice(". Give labelled cases that it has not seen, with ", Setting("calibrate_on")),
    )
