"""What the tuners share that can make prompts on other sets first, and then tune them on train."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require
from tsprompt.base.state import Figure
from tsprompt.tuners.base import Found, Problem
from tsprompt.tuners.gradient import Gradient

__all__ = ["PretrainingTuner"]


@dataclass
class PretrainingTuner(Gradient):
    """Tunes as `gradient` does, from a prompt that was pre-trained: on other sets, if the problem
    brings one to start from, else on this one."""

    pretrains: ClassVar[bool] = True
    reads_labels: ClassVar[bool]
    """Whether pre-training needs the labels of the sets."""
    least_sets: ClassVar[int] = 1
    """How many sets pre-training needs."""
    quick: ClassVar[dict[str, Any]] = {"epochs": 3, "pretraining_epochs": 2, "hidden": 8}

    pretraining_epochs: int = 20
    """The most passes over each set in pre-training."""
    pretraining_patience: int = 5
    """Epochs without improvement after which pre-training ends."""

    pretraining_rate: float | None = None
    """Step size of pre-training; None: the same as `learning_rate`."""

    class State(Gradient.State, total=False):
        """What fitting has learned."""

        pretraining_: dict[str, Figure]

    def __post_init__(self) -> None:
        super().__post_init__()
        least = min(self.pretraining_epochs, self.pretraining_patience)
        require(least >= 1, f"{self.name}: counts must be 1 or more")
        rate = self.pretraining_rate
        require(rate is None or rate > 0, f"{self.name}: pretraining_rate must be positive")

    def find(self, problem: Problem) -> list[Found]:
        """Pre-train, unless that was done elsewhere; then tune."""
        self.pretraining_: dict[str, float] = {}
        if problem.start is None:
            problem = dataclasses.replace(problem, start=self.own_start(problem))
        return super().find(problem)

    @abstractmethod
    def pretrain(self, problems: Sequence[Problem]) -> list[Prompt]:
        """Train on these problems, which share a language model.

        Returns
        -------
        One prompt for each of them; none, if the method makes one for all: see `for_others`.
        """

    def for_others(self) -> Prompt | None:
        """The prompt of the last `pretrain` for all tasks, also those that had no part in it, if
        the method makes one."""
        return None

    @abstractmethod
    def own_start(self, problem: Problem) -> Prompt:
        """A prompt to start from that is pre-trained on this very train."""

    def report(self) -> dict[str, float]:
        """Also of pre-training."""
        return {**self.pretraining_, **super().report()}
