"""What every combination does: give each prompt a task, and fit heads on all that they say."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.base.blocks import picked
from tsprompt.base.part import Part
from tsprompt.base.registry import Registry
from tsprompt.base.state import Figure
from tsprompt.data import Cases
from tsprompt.heads import Head, Judgement, Lesson, Linear
from tsprompt.heads.lesson import Labels
from tsprompt.heads.weighing import Weights

__all__ = ["Combination", "Evidence", "Task", "combinations"]

combinations: Registry[Combination] = Registry("combination")


@dataclass(frozen=True)
class Task:
    """What one member, a prompt with its tokenizer, is to tell apart: groups of classes."""

    groups: tuple[int, ...]
    """(C,) for each class the number that it has in this task; -1: its cases take no part."""

    @classmethod
    def whole(cls, n_classes: int) -> Task:
        """Each class is told from all others."""
        return cls(tuple(range(n_classes)))

    @property
    def n_classes(self) -> int:
        """How many groups there are."""
        return max(self.groups) + 1

    def names(self, classes: list[str]) -> tuple[str, ...]:
        """What its groups of these classes (C,) are called."""
        pairs = list(zip(classes, self.groups, strict=True))
        own = ([name for name, one in pairs if one == group] for group in range(self.n_classes))
        return tuple(map(" or ".join, own))

    def labels(self, labels: Labels) -> Labels:
        """(B,) numbers in this task of cases with these class numbers (B,), or -1."""
        return np.array(self.groups, dtype=np.intp)[labels]


@dataclass
class Evidence:
    """What all prompts make the model say about train, and about what else there is to learn from.

    A case's features under all readings stand side by side; each reading has as many.
    """

    features: Tensor
    """(B, R) of train."""
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
    """(U, R) features of cases without a label; zero-shot, there are no others."""
    development: tuple[Tensor, Labels] | None = None
    """Features (V, R) and class numbers (V,) of cases that only validation may ask."""
    weights: Weights | None = None
    """(B + V,) how much each case counts, those of the development sample behind train; None: all
    alike."""
    taught: tuple[npt.NDArray[np.float64], Tensor] | None = None
    """Probabilities (B + U, C) that heads learn from in place of labels, and features (U, R) of the
    cases without a label, which are the last of them."""

    @property
    def blocks(self) -> list[slice]:
        """The columns of each reading."""
        width = self.features.shape[1] // len(self.members)
        return [slice(k * width, (k + 1) * width) for k in range(len(self.members))]

    @property
    def all_labels(self) -> Labels:
        """(B + V,) class numbers, those of the development sample behind train's."""
        if self.development is None:
            return self.labels
        return np.concatenate([self.labels, self.development[1]])

    def columns(self, member: int) -> slice:
        """The columns of all readings of one member."""
        own = [block for block, one in zip(self.blocks, self.members, strict=True) if one == member]
        return slice(own[0].start, own[-1].stop)

    def lesson(
        self,
        seed: int,
        columns: slice = slice(None),
        *,
        task: Task | None = None,
        rows: Labels | None = None,
    ) -> Lesson:
        """What a head is fitted on that sees some columns.

        Parameters
        ----------
        task
            What the head is to tell apart; only cases that take part are seen. None: all classes.
        rows
            The cases of train that it sees; None: all.
        """
        whole = Task.whole(self.n_classes)
        task = task or whole
        chosen = np.arange(len(self.labels)) if rows is None else rows
        chosen = chosen[task.labels(self.labels[chosen]) >= 0]
        lesson = Lesson(
            features=_pick(self.features[:, columns], chosen),
            labels=task.labels(self.labels[chosen]),
            n_classes=task.n_classes,
            seed=seed,
            optional=self.optional[columns],
            development=self._validating(columns, task),
            weights=self._weights(chosen, task),
            unlabelled=None if self.unlabelled is None else self.unlabelled[:, columns],
        )
        return self._taught(lesson, columns, chosen) if task == whole else lesson

    def _taught(self, lesson: Lesson, columns: slice, rows: Labels) -> Lesson:
        """The lesson with labels that others gave, if there are any."""
        if self.taught is None:
            return lesson
        chances, features = self.taught
        count, of_classes = len(self.labels), self.class_weights()
        counted = None if of_classes is None else chances[count:] @ of_classes
        unknown = np.full(len(features), -1, dtype=np.intp)
        more = lesson.with_more(features[:, columns].to(lesson.features), unknown, counted)
        return dataclasses.replace(more, chances=np.concatenate([chances[rows], chances[count:]]))

    def class_weights(self) -> Weights | None:
        """(C,) how much a case of each class counts on average; 1 where train has none of it."""
        if self.weights is None:
            return None
        counts = np.bincount(self.labels, minlength=self.n_classes)
        own = self.weights[: len(self.labels)]
        sums = np.bincount(self.labels, weights=own, minlength=self.n_classes)
        return np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)

    def _weights(self, rows: Labels, task: Task) -> Weights | None:
        """Those of some cases of train, and of the development sample as the task has it."""
        if self.weights is None:
            return None
        count = len(self.labels)
        behind = self.weights[count:]
        if self.development is not None:
            behind = behind[task.labels(self.development[1]) >= 0]
        return np.concatenate([self.weights[:count][rows], behind])

    def _validating(self, columns: slice, task: Task | None = None) -> tuple[Tensor, Labels] | None:
        """The development sample as one head sees it: these columns, and the cases of its task."""
        if self.development is None:
            return None
        features, labels = self.development
        numbers = labels if task is None else task.labels(labels)
        chosen = np.flatnonzero(numbers >= 0)
        if not len(chosen):
            return None
        return _pick(features[:, columns], chosen), numbers[chosen]


def _pick(features: Tensor, rows: Labels) -> Tensor:
    """Some rows of features; no copy, if it is all of them."""
    return picked(features, torch.from_numpy(rows))


@dataclass
class Combination(Part):
    """Fits one head or several on the features of all readings, and joins what they say.

    `heads_` are the fitted heads. `validation_loss_` and `validation_accuracy_` tell how well they
    do on train cases that they had not learned from.
    """

    uses_unlabelled: ClassVar[bool] = False
    """Whether cases without a label are of use to it."""
    needs_cases: ClassVar[bool] = False
    """Whether it learns from training cases by itself, whatever its head does."""
    takes_sums: ClassVar[bool] = False
    """Whether it can be fitted on sums over cases: see `Concatenate.keep`."""
    unjudged: ClassVar[str | None] = None
    """Why nothing that it says of train is said of cases that are new to it; None: some is."""
    streams: ClassVar[bool] = False
    """Whether it reads features that lie in a file some at a time; see `tsprompt.base.blocks`."""
    keeps_channels: ClassVar[bool] = True
    """Whether every member sees all features of the series."""

    validation_loss_ = float("nan")
    validation_accuracy_ = float("nan")

    class State(Part.State):
        """What fitting has learned."""

        heads_: list[Any]
        validation_loss_: Figure
        validation_accuracy_: Figure

    def __post_init__(self) -> None:
        self.heads_: list[Head] = []

    def check(self, head: Head, n_prompts: int) -> None:
        """See that it goes together with a head and a number of prompts.

        Raises
        ------
        ConfigError
            It does not.
        """

    def share_out(self, cases: Cases, labels: Labels, n_classes: int, n_prompts: int) -> list[Task]:
        """One for each prompt that is asked for; or as many as the combination needs.

        What it settles on here, `view` and `probabilities` may use. `cases` are train, prepared.
        """
        return [Task.whole(n_classes)] * n_prompts

    def draw_of(self, member: int) -> int:
        """Which draw of the tokenizer a member reads. Members with one draw and one view of the
        cases share a tokenizer, so that their prompts alone differ, and tokens are made once."""
        return member

    def parts_of(self, members: int) -> int:
        """Of how many parts, one for each member, a prompt consists; 1: each has its own prompt."""
        return 1

    def view(self, cases: Cases, member: int) -> Cases:
        """What a member sees of cases (B, T, F)."""
        return cases

    def report(self) -> dict[str, Any]:
        """Figures of the fit that belong beside the accuracy."""
        return {}

    @abstractmethod
    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Learn from train; `head` is not fitted, and is not changed."""

    @abstractmethod
    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) class probabilities of features (B, R) of all readings, side by side."""

    def linear(self) -> Linear | None:
        """The probabilities as a linear map of the features of all readings; None where they are
        none."""
        return None

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) logarithms of the probabilities, up to a number for each case."""
        tiny = np.finfo(np.float64).tiny
        return np.log(np.maximum(self.probabilities(features), tiny))

    def judged(self, evidence: Evidence) -> Judgement | None:
        """What it says of cases that it was not fitted on, right after `fit`; None: there are none,
        or each was learned from somewhere."""
        return None

    @property
    def n_parameters(self) -> int:
        """How many numbers the heads have learned."""
        return sum(head.n_parameters for head in self.heads_)

    def validation_kind(self) -> str:
        """How the validation figures were come by, in a few words."""
        told = self._told()
        kind = (told or self.heads_)[0].validation_kind()
        if len(self.heads_) == 1 or not told:
            return kind
        of_all = "" if len(told) == len(self.heads_) else f" of {len(self.heads_)}"
        return f"{kind}, mean of {len(told)}{of_all} heads"

    def _told(self) -> list[Head]:
        """The heads that have figures: not those of single cases that nothing could be left out
        of."""
        return [one for one in self.heads_ if not np.isnan(one.validation_accuracy_)]

    def _keep(self, heads: list[Head]) -> None:
        self.heads_ = heads
        if told := self._told():
            self.validation_loss_ = float(np.mean([one.validation_loss_ for one in told]))
            self.validation_accuracy_ = float(np.mean([one.validation_accuracy_ for one in told]))

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

    def rebuild(self, state: dict[str, Any], head: Head) -> None:
        """Put back what `state` gave, with heads of the kind of `head`, which has met the model."""
        self.restore({key: value for key, value in state.items() if key != "heads_"})
        self.heads_ = [head.fresh() for _ in state["heads_"]]
        for one, kept in zip(self.heads_, state["heads_"], strict=True):
            one.restore(kept)
