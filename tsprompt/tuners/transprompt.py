"""`transprompt`: a prompt is meta-learned across several tasks, and then adapted to one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones.template import Prompt
from tsprompt.base.accelerator import sent
from tsprompt.base.part import require
from tsprompt.base.seeds import derive, generator, seeded_torch
from tsprompt.errors import ConfigError, Setting, notice
from tsprompt.heads.mlp import MLP
from tsprompt.heads.weighing import standardiser
from tsprompt.prompts import PromptModule
from tsprompt.tuners.base import Found, Problem, tuners
from tsprompt.tuners.pretrainable import PretrainingTuner
from tsprompt.tuners.together import Course, check_sizes, learn_together
from tsprompt.tuners.training import MaskTrainer, TrainFeatures, say_unlearned

__all__ = ["Joined", "TransPrompt", "instance_weights", "sub_tasks"]


_Kept = tuple[list[Prompt], Prompt]
"""The prompts of all tasks, and the universal one."""


@tuners.register("transprompt")
@dataclass
class TransPrompt(PretrainingTuner):
    """Prompts that are meta-learned across tasks (Wang et al. 2021).

    Each task's prompt is the mean of a universal one, which all tasks train, and one of its own;
    with the prompt `p-tuning` each is written by an encoder of its own, an LSTM and a perceptron
    over pseudo tokens, as in the paper. Two measures keep the universal one from leaning to some
    tasks: cases are weighted by how near they are to the prototypes of classes, those of their own
    class and those of the other tasks, and sure answers are held back by their entropy. All tasks
    count alike, whatever their size. Where the regime lets the language model change, it is tuned
    with them.

    Without a prompt to start from, the tasks are made of train: each class against the rest.
    """

    reads_labels: ClassVar[bool] = True
    trains_both: ClassVar[bool] = True
    least_sets: ClassVar[int] = 2

    alpha: float = 0.5
    """How much of a case's weight comes from its own class; the rest comes from other tasks."""
    entropy: float = 0.1
    """How much the entropy of the answers counts in the loss."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.alpha <= 1, "transprompt: alpha lies between 0 and 1")
        require(self.entropy >= 0, "transprompt: entropy must be 0 or more")
        self._universal: Prompt | None = None

    def pretrain(self, problems: Sequence[Problem]) -> list[Prompt]:
        """Train the universal prompt and the tasks' own together.

        Raises
        ------
        ConfigError
            The tasks need prompts of different sizes.
        """
        # The tasks' coaches are perceptrons: a head that knows the classes' names knows one set.
        problems = [dataclasses.replace(problem, head=MLP()) for problem in problems]
        joint = _joint(problems)
        firsts = _read_all(problems, joint)
        seed = derive(problems[0].seed, "transprompt", problems[0].member)
        with seeded_torch(seed):
            courses = _courses(problems, joint, firsts, self)
            backbone = problems[0].reader.backbone
            best = learn_together(courses, backbone, self, lambda: _prompts(joint))
        if not best.improved:
            say_unlearned()
        prompts, self._universal = best.kept
        self.pretraining_ = {
            "tasks of pre-training": float(len(problems)),
            "mean loss on their held-out cases": best.loss,
        }
        return prompts

    def for_others(self) -> Prompt | None:
        """The universal prompt alone."""
        return self._universal

    def own_start(self, problem: Problem) -> Prompt:
        """The mean of the prompts of one-against-the-rest tasks. None of them learns from what
        tuning will validate on."""
        tasks = sub_tasks(_divided(problem, self.validation))
        same = "; with two classes both ask the same" if len(tasks) == 2 else ""
        notice(
            f"transprompt learns across {len(tasks)} tasks that are made of train, each class "
            f"against the rest{same}; ",
            Setting("prompt_from"),
            " starts from other sets, see `tsprompt pretrain --method transprompt`",
        )
        return _mean(self.pretrain(tasks))


class Joined(PromptModule):
    """The prompt of one task: the mean of the universal one and its own, slot by slot."""

    def __init__(self, universal: PromptModule, specific: PromptModule) -> None:
        super().__init__()
        self.universal, self.specific = universal, specific

    def forward(self) -> Prompt:
        """Their mean."""
        return _mean([self.universal(), self.specific()])


class _Weighted(MaskTrainer):
    """A task's coach, whose loss weighs the cases."""

    nearness: Tensor
    """(B,) `instance_weights` of the cases, beside those that the data bring."""

    def __init__(self, problem: Problem, tuner: TransPrompt, features: Tensor) -> None:
        super().__init__(problem, tuner, features)
        self.entropy = tuner.entropy

    def lesson(self, features: Tensor, cases: Tensor) -> Tensor:
        """Weighted cross-entropy of features (b, R) of these cases (b,), less the entropy of the
        answers."""
        cases = sent(cases, self.labels.device)
        scores = self.coach(features)
        each = functional.cross_entropy(scores, self.labels[cases], reduction="none")
        chances = scores.log_softmax(dim=1)
        entropy = -(chances.exp() * chances).sum(dim=1).mean()
        counted = self.nearness if self.weights is None else self.nearness * self.weights
        return (each * counted[cases]).mean() - self.entropy * entropy


def _prompts(joint: list[Joined]) -> _Kept:
    return [module.prompt() for module in joint], joint[0].universal.prompt()


def _joint(problems: Sequence[Problem]) -> list[Joined]:
    """One universal prompt, and for each task one of its own."""
    check_sizes(problems)
    first = problems[0]
    universal, backbone = first.module(0), first.reader.backbone

    def own(number: int) -> PromptModule:
        rng = generator(first.seed, "transprompt", first.member, number)
        return first.trainable(first.prompt.module(first.slots, backbone, rng), f"task {number}")

    return [Joined(universal, own(number)) for number in range(len(problems))]


def _read_all(problems: Sequence[Problem], joint: list[Joined]) -> list[Found]:
    """What the model says about each task's cases at first; about the same cases once only."""
    known: dict[tuple[int, int], Found] = {}
    found = []
    for number, (problem, module) in enumerate(zip(problems, joint, strict=True), start=1):
        key = id(problem.cases), id(problem.tokenizer)
        if key not in known:
            known[key] = problem.read(module.prompt(), f"task {number} of {len(problems)}")
        found.append(known[key])
    return found


def _courses(
    problems: Sequence[Problem], joint: list[Joined], firsts: list[Found], tuner: TransPrompt
) -> list[Course]:
    if len({found.features.shape[1] for found in firsts}) > 1:
        raise ConfigError(
            "transprompt compares cases across tasks, and what is read of them has different "
            "sizes; use ",
            Setting("readout", "mask"),
            " with ",
            Setting("scope", "series"),
        )
    trainers = [
        _Weighted(problem, tuner, found.features)
        for problem, found in zip(problems, firsts, strict=True)
    ]
    weights = instance_weights(
        [found.features for found in firsts],
        [trainer.labels for trainer in trainers],
        [trainer.learn for trainer in trainers],
        tuner.alpha,
    )
    for trainer, own in zip(trainers, weights, strict=True):
        trainer.nearness = own
    return [
        Course(module, trainer, TrainFeatures(problem, found), trainer.lesson)
        for module, trainer, problem, found in zip(joint, trainers, problems, firsts, strict=True)
    ]


def instance_weights(
    features: list[Tensor], labels: list[Tensor], learn: list[Tensor], alpha: float
) -> list[Tensor]:
    """How much each case counts: more, the nearer it is to the prototypes of classes.

    A prototype is the mean of the features of a class, over the cases that are learned from. A
    case's nearness to one is ``1 / (1 + d)``, where d is the mean square of what lies between them,
    features being standardised over all tasks. It is taken of its own class, and of the nearest
    class of each other task, on average; `alpha` balances the two.

    Parameters
    ----------
    features
        For each task (B, R).
    labels
        For each task the class numbers (B,).
    learn
        For each task the cases (n,) to learn from.

    Returns
    -------
    For each task (B,) weights, whose mean over the cases to learn from is 1.
    """
    mean, unit = standardiser(torch.cat([f[n] for f, n in zip(features, learn, strict=True)]))
    scaled = [(one - mean) / unit for one in features]
    prototypes = [
        _prototypes(one[n], own[n]) for one, own, n in zip(scaled, labels, learn, strict=True)
    ]
    weights = []
    for task, (one, own, n) in enumerate(zip(scaled, labels, learn, strict=True)):
        weight = _nearness(one, prototypes[task]).gather(1, own[:, None]).squeeze(1)
        others = [p for number, p in enumerate(prototypes) if number != task]
        if others:
            near = torch.stack([_nearness(one, p).amax(dim=1) for p in others]).mean(dim=0)
            weight = alpha * weight + (1 - alpha) * near
        weights.append(weight / weight[n].mean())
    return weights


def _prototypes(features: Tensor, labels: Tensor) -> Tensor:
    """(C, R) means of the classes of features (n, R); each class has a case."""
    one_hot = functional.one_hot(labels).to(features.dtype)
    return one_hot.T @ features / one_hot.sum(dim=0)[:, None].clamp(min=1)


def _nearness(features: Tensor, prototypes: Tensor) -> Tensor:
    """(B, C) of features (B, R) and prototypes (C, R)."""
    apart = torch.cdist(features, prototypes).square() / features.shape[1]
    return 1 / (1 + apart)


def _divided(problem: Problem, share: float) -> Problem:
    """The same with the cases last that tuning holds out, as a development sample for all tasks."""
    if problem.learn is not None:
        return problem
    learn, held = problem.split(share, derive(problem.seed, "tuner", problem.member))
    order = np.concatenate([learn, held])
    return dataclasses.replace(
        problem,
        cases=problem.cases.take(order),
        labels=problem.labels[order],
        learn=len(learn),
        weights=None if problem.weights is None else problem.weights[order],
    )


def sub_tasks(problem: Problem) -> list[Problem]:
    """Each class against the rest."""
    return [
        dataclasses.replace(problem, labels=(problem.labels == label).astype(np.intp), n_classes=2)
        for label in range(problem.n_classes)
    ]


def _mean(prompts: list[Prompt]) -> Prompt:
    """One prompt of several that fill the same slots, placed as the first of them."""

    def mean(parts: list[Tensor | None]) -> Tensor | None:
        there = [one for one in parts if one is not None]
        return torch.stack(there).mean(dim=0) if there else None

    vectors = mean([one.vectors for one in prompts])
    deep = mean([one.deep for one in prompts])
    return dataclasses.replace(prompts[0], ids=None, vectors=vectors, deep=deep)
