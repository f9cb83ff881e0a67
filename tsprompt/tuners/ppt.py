"""`ppt`: a prompt is pre-trained by a question that needs no labels, and then tuned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require
from tsprompt.base.seeds import generator
from tsprompt.contexts import NoContext
from tsprompt.data import Cases, FloatArray, IntArray
from tsprompt.errors import InputError, Setting, notice
from tsprompt.heads.mlp import MLP
from tsprompt.readouts.mask import Mask
from tsprompt.tuners.base import Problem, tuners
from tsprompt.tuners.gradient import Gradient
from tsprompt.tuners.pretrainable import PretrainingTuner
from tsprompt.tuners.training import BestPrompt

__all__ = ["KINDS", "PPT", "Pretext", "make_pretext"]

KINDS = ("as it goes on", "of another case", "reversed in time")
"""What the second half of a series can be."""
_LEAST_LENGTH = 4
"""Timesteps of a series that can be cut in half."""


@tuners.register("ppt")
@dataclass
class PPT(PretrainingTuner):
    """Pre-trained prompt tuning (Gu et al. 2022).

    As next-sentence prediction does for text, a question without labels trains the prompt first:
    does the second half of a series go on from the first, is it that of another case, or is it
    reversed in time? The answer is read at the mask. Without a prompt to start from, the question
    is asked about train.
    """

    reads_labels: ClassVar[bool] = False
    reads_answer: ClassVar[bool] = True

    pretraining_cases: int = 256
    """The most series of a set, drawn at random, that the question is asked about, in all three
    ways each."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.pretraining_cases >= 4, "ppt: pretraining_cases must be 4 or more")

    def pretrain(self, problems: Sequence[Problem]) -> list[Prompt]:
        """Each problem's prompt is trained by itself; labels are not read."""
        found = [self._pretrain(problem) for problem in problems]
        self.pretraining_ = {
            "loss on halves held out": float(np.mean([best.loss for best in found])),
            "the same by chance": float(np.log(len(KINDS))),
        }
        return [best.prompt for best in found]

    def own_start(self, problem: Problem) -> Prompt:
        """The same on train."""
        notice(
            "ppt pre-trains its prompt on the series of train itself, without their labels; ",
            Setting("prompt_from"),
            " starts from other sets, see `tsprompt pretrain`",
        )
        (start,) = self.pretrain([problem])
        return start

    def _pretrain(self, problem: Problem) -> BestPrompt:
        pretext = self.pretext(problem)
        module = problem.module(0)
        first = pretext.read(module.prompt(), "pre-training")
        learner = Gradient(
            epochs=self.pretraining_epochs,
            patience=self.pretraining_patience,
            learning_rate=self.learning_rate,
            hidden=self.hidden,
            validation=self.validation,
            batch=self.batch,
            optimiser=self.optimiser,
            checkpoint=self.checkpoint,
        )
        return learner.descend(pretext, module, first)

    def pretext(self, problem: Problem) -> Problem:
        """The problem of halves that takes the place of this one: its labels are not read."""
        rng = generator(problem.seed, "pretext", problem.member)
        made = make_pretext(problem.train, self.pretraining_cases, self.validation, rng)
        return dataclasses.replace(
            problem,
            cases=made.cases,
            labels=made.kinds,
            n_classes=len(KINDS),
            readout=Mask(),
            head=MLP(),
            context=NoContext(),
            learn=made.learn,
            weights=None,  # they belong to labels that are not read
        )


@dataclass(frozen=True)
class Pretext:
    """Series whose second halves are, or are not, what follows their first."""

    cases: Cases
    """B'."""
    kinds: IntArray
    """(B',) which of `KINDS`."""
    learn: int
    """How many there are to learn from; the others are to validate on. No series has a part in
    both."""


def make_pretext(cases: Cases, most: int, validation: float, rng: np.random.Generator) -> Pretext:
    """Ask the question about at most so many of the cases, in all three ways each.

    Raises
    ------
    InputError
        There are fewer than four cases, or one is too short to be cut.
    """
    order = rng.permutation(len(cases))[:most]
    if len(order) < 4 or cases.lengths.min() < _LEAST_LENGTH:
        raise InputError(
            f"ppt cuts series in half and exchanges the halves: this takes 4 series of "
            f"{_LEAST_LENGTH} timesteps, and there are {len(cases)}, the shortest of "
            f"{cases.lengths.min()}; pre-train on other sets and give ",
            Setting("prompt_from"),
        )
    held = int(np.clip(round(validation * len(order)), 2, len(order) - 2))
    made: list[FloatArray] = []
    for side in (order[held:], order[:held]):
        for own, other in zip(side, np.roll(side, 1), strict=True):
            made += _three_ways(cases[own], cases[other])
    kinds = np.arange(len(made)) % len(KINDS)
    return Pretext(Cases(made), kinds, len(KINDS) * (len(order) - held))


def _three_ways(own: FloatArray, other: FloatArray) -> list[FloatArray]:
    """A series (T, F), and the same with another second half, in the order of `KINDS`."""
    half = len(own) // 2
    first, second = own[:half], own[half:]
    return [
        own,
        np.concatenate([first, other[len(other) // 2 :]]),
        np.concatenate([first, second[::-1]]),
    ]
