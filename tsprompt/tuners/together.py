"""Several tasks that are learned side by side, in steps that each have a batch of every task."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.backbones import Backbone
from tsprompt.base.best_so_far import Best
from tsprompt.errors import ConfigError, Setting
from tsprompt.prompts import PromptModule
from tsprompt.tuners.accumulation import Accumulation, Asked
from tsprompt.tuners.base import Problem
from tsprompt.tuners.pretrainable import PretrainingTuner
from tsprompt.tuners.training import OPTIMISERS, MaskTrainer, TrainFeatures

__all__ = ["Course", "check_sizes", "learn_together", "rounds"]

K = TypeVar("K")


@dataclass
class Course:
    """What one task brings to the learning of all."""

    module: PromptModule
    """Its prompt, of which parts may be those of other tasks."""
    trainer: MaskTrainer
    features: TrainFeatures
    loss: Callable[[Tensor, Tensor], Tensor]
    """Of features (b, R) and cases (b,) to learn from."""

    def held_out_loss(self, size: int, accumulation: Accumulation) -> float:
        """Mean cross-entropy of the held-out cases, near and far ones alike."""
        cases = self.trainer.validate
        ask = self.features.asked(self.module, self.trainer.loss)
        losses = [
            accumulation.measure(ask(part)) * len(part)
            for part in self.features.batches(cases, size)
        ]
        return float(torch.stack(losses).sum()) / len(cases)


def check_sizes(problems: Sequence[Problem]) -> None:
    """See that one prompt can fill the slots of all sets.

    Raises
    ------
    ConfigError
        They need different numbers of vectors.
    """
    sizes = {problem.slots for problem in problems}
    if len(sizes) > 1:
        raise ConfigError(
            f"the sets need prompts of {' and '.join(map(str, sorted(sizes)))} vectors, and one "
            "that all train has one size; use ",
            Setting("strategy", "shared"),
        )


def rounds(courses: Sequence[Course], size: int) -> Iterator[list[Asked]]:
    """One batch of each task, until the largest task is through."""
    batches = [course.features.batches(course.trainer.learn, size) for course in courses]
    most = max(map(len, batches))
    for parts in itertools.islice(zip(*map(itertools.cycle, batches), strict=False), most):
        yield [
            course.features.asked(course.module, course.loss)(part)
            for course, part in zip(courses, parts, strict=True)
        ]


def learn_together(
    courses: Sequence[Course],
    backbone: Backbone,
    tuner: PretrainingTuner,
    keep: Callable[[], K],
) -> Best[K]:
    """Train all prompts and coaches, and what may be trained of the language model.

    Returns
    -------
    What `keep` gave after the epoch with the least mean loss on held-out cases, all tasks alike.
    The language model is left as it was then.
    """
    best, weights = Best(keep(), tuner.pretraining_patience), backbone.trained_state()
    parts = [(course.module, course.trainer.coach) for course in courses]
    prompted = {
        id(one): one for modules in parts for module in modules for one in module.parameters()
    }
    groups: list[dict[str, object]] = [{"params": [*prompted.values()]}]
    if backbone.trained:
        groups.append({"params": [*backbone.trained.values()], "lr": backbone.trained_rate})
    rate = tuner.pretraining_rate or tuner.learning_rate
    optimiser = OPTIMISERS[tuner.optimiser](groups, lr=rate)
    accumulation = Accumulation()
    with backbone.learning(checkpoint=tuner.checkpoint):
        for epoch in range(tuner.pretraining_epochs):
            for asked in rounds(courses, tuner.batch):
                accumulation.learn(asked, optimiser.zero_grad)
                optimiser.step()
            held = [course.held_out_loss(tuner.batch, accumulation) for course in courses]
            if best.offer(float(np.mean(held))):
                best.kept, weights = keep(), backbone.trained_state()
            progress.report("pre-training", epoch + 1, tuner.pretraining_epochs)
            if best.exhausted:
                break
    progress.report("pre-training", tuner.pretraining_epochs, tuner.pretraining_epochs)
    backbone.restore(weights)
    return best
