"""`compose`: each prompt has a sub-task of its own; their answers make up the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.base.blocks import picked, stacked
from tsprompt.base.part import require, require_one_of
from tsprompt.base.seeds import derive
from tsprompt.base.state import Between
from tsprompt.combinations.base import Combination, Evidence, Task, combinations
from tsprompt.data import Cases
from tsprompt.errors import Setting
from tsprompt.heads import Head, Judgement
from tsprompt.heads.lesson import Labels
from tsprompt.preprocessings.resample import resample

__all__ = ["Compose"]

_LENGTH = 256
"""The most timesteps of the class means that are clustered."""


@combinations.register("compose")
@dataclass
class Compose(Combination):
    """Prompt composition: sub-prompts answer sub-questions (PTR, Han et al. 2021; Liu et al. 2023).

    Each member's prompt is sought for its own sub-task (with the tuner `search` each finds another)
    and its head tells that apart. There are as many members as sub-tasks, whatever `n_prompts`
    says; all read one draw of the tokenizer.
    """

    needs_cases: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    tasks: str = "one-vs-rest"
    """`one-vs-rest`: one for each class, probabilities normalised; `hierarchy`: the nodes of a
    binary tree of the classes, probabilities multiplied on the way down. The tree comes from
    clustering the class means of train (average linkage)."""

    class State(Combination.State):
        """What fitting has learned."""

        groups_: list[list[Annotated[int, Between(int, least=-1, most=1)]]]

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "tasks", ("one-vs-rest", "hierarchy"))

    def check(self, head: Head, n_prompts: int) -> None:
        """A sub-task has no name that a head could read as a word."""
        require(
            not head.reads_mask,
            f"compose: its sub-tasks have no names, and the head {head.name!r} reads the names of "
            "classes; use ",
            Setting("head", "ridge"),
            ", or ",
            Setting("combination", "vote"),
        )

    def draw_of(self, member: int) -> int:
        """The first draw, for all."""
        return 0

    def share_out(self, cases: Cases, labels: Labels, n_classes: int, n_prompts: int) -> list[Task]:
        """One for each class, or one for each of the C - 1 nodes."""
        if self.tasks == "hierarchy":
            self.groups_ = _tree(_class_means(cases, labels, n_classes))
        else:
            self.groups_ = np.eye(n_classes, dtype=int).tolist()
        return [Task(tuple(one)) for one in self.groups_]

    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Fit one head for each sub-task, on the cases that take part in it."""
        lessons = [
            evidence.lesson(derive(seed, "compose", member), evidence.columns(member), task=task)
            for member, task in enumerate(evidence.tasks)
        ]
        self._keep([head.fresh().fit(lesson) for lesson in lessons])

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Joined from those of the sub-tasks."""
        blocks = self._blocks(features, len(self.heads_))
        return self._joined(
            [one.probabilities(x) for one, x in zip(self.heads_, blocks, strict=True)]
        )

    def judged(self, evidence: Evidence) -> Judgement | None:
        """The cases that no sub-task's head has learned from, or that each has left out. A head
        whose sub-task a case has no part in has never seen it."""
        labels = evidence.all_labels
        features = evidence.features
        if evidence.development is not None:
            features = stacked([features, evidence.development[0]])
        each = []
        for member, (head, task) in enumerate(zip(self.heads_, evidence.tasks, strict=True)):
            if head.judged is None:
                return None
            numbers = task.labels(labels)
            part, others = np.flatnonzero(numbers >= 0), np.flatnonzero(numbers < 0)
            said = np.full((len(labels), task.n_classes), np.nan)
            said[part[head.judged.rows]] = head.judged.chances
            if len(others):
                unseen = picked(features[:, evidence.columns(member)], torch.from_numpy(others))
                said[others] = head.probabilities(unseen)
            each.append(said)
        rows = np.flatnonzero(~np.isnan(np.concatenate(each, axis=1)).any(axis=1))
        return Judgement(rows, labels[rows], self._joined([one[rows] for one in each]))

    def _joined(self, each: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """(B, C) of what is said in each sub-task (B, 2)."""
        if self.tasks == "one-vs-rest":
            own = np.stack([said[:, 1] for said in each], axis=1)
            own = np.maximum(own, np.finfo(np.float64).tiny)
            return np.asarray(own / own.sum(axis=1, keepdims=True))
        joined = np.ones((len(each[0]), len(self.groups_[0])))
        for said, groups in zip(each, self.groups_, strict=True):
            for label, group in enumerate(groups):
                if group >= 0:
                    joined[:, label] *= said[:, group]
        return joined

    def validation_kind(self) -> str:
        """Of the sub-tasks: it is no figure of the whole."""
        return f"{super().validation_kind()}, each on its sub-task"


def _class_means(cases: Cases, labels: Labels, n_classes: int) -> npt.NDArray[np.float64]:
    """(C, T * F) mean series of the classes, at one length."""
    length = min(int(cases.lengths.max()), _LENGTH)
    sums = np.zeros((n_classes, length, cases.n_features))
    for index, values in cases.groups():
        np.add.at(sums, labels[index], resample(values, length))
    counts = np.bincount(labels, minlength=n_classes)
    return sums.reshape(n_classes, -1) / counts[:, None]


def _tree(means: npt.NDArray[np.float64]) -> list[list[int]]:
    """For each node of a binary tree, from the root on, on which side (0, 1, or -1: not below it)
    each class lies."""
    n_classes = len(means)
    from scipy.cluster.hierarchy import linkage  # slow to import, and new cases need none

    below: list[list[int]] = [[label] for label in range(n_classes)]
    nodes = []
    for left, right, *_ in linkage(means, "average"):
        sides = below[int(left)], below[int(right)]
        node = [-1] * n_classes
        for side, members in enumerate(sides):
            for label in members:
                node[label] = side
        nodes.append(node)
        below.append([*sides[0], *sides[1]])
    return nodes[::-1]
