"""`ppt`: a prompt is pre-trained by questions that need no labels, and then tuned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require, several
from tsprompt.base.seeds import derive, generator, seeded_torch
from tsprompt.contexts import NoContext
from tsprompt.data import Cases, FloatArray
from tsprompt.errors import InputError, Setting, notice
from tsprompt.heads import Lesson
from tsprompt.heads.mlp import MLP
from tsprompt.prompts import PromptModule
from tsprompt.readouts.mask import Mask
from tsprompt.tuners.base import Problem, tuners
from tsprompt.tuners.pretexts import FORMATS, LEAST_LENGTH, level_edges
from tsprompt.tuners.pretrainable import PretrainingTuner
from tsprompt.tuners.together import Course, check_sizes, learn_together
from tsprompt.tuners.training import MaskTrainer, TrainFeatures, say_unlearned

__all__ = ["PPT"]


@tuners.register("ppt")
@dataclass
class PPT(PretrainingTuner):
    """Pre-trained prompt tuning (Gu et al. 2022).

    Three questions that need no labels, one for each format of tasks, train one prompt first, on
    the series of all sets together: see `tsprompt.tuners.pretexts`. They are answered at the mask,
    each format's by a perceptron that all sets share. Without a prompt to start from, the
    questions are asked about train.
    """

    reads_labels: ClassVar[bool] = False
    reads_answer: ClassVar[bool] = True

    pretraining_cases: int = 256
    """The most series of a set, drawn at random, that are asked about."""
    formats: tuple[str, ...] = ("pair", "choice", "single")
    """The questions: `pair`, `choice`, `single`, or several."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.pretraining_cases >= 4, "ppt: pretraining_cases must be 4 or more")
        self.formats = several(self.formats)
        unknown = [one for one in self.formats if one not in FORMATS]
        require(
            bool(self.formats) and not unknown,
            f"ppt: formats={self.formats!r} are not of: {', '.join(FORMATS)}",
        )
        self._found: Prompt | None = None

    def pretrain(self, problems: Sequence[Problem]) -> list[Prompt]:
        """One prompt learns from the series of all; labels are not read.

        Raises
        ------
        ConfigError
            The sets need prompts of different sizes.
        InputError
            A set has fewer than four series, or one is too short to be cut.
        """
        first = problems[0]
        check_sizes(problems)
        module, edges = first.module(0), level_edges([one.train for one in problems])
        with seeded_torch(derive(first.seed, "ppt", first.member)):
            courses = self._courses(problems, module, edges)
            best = learn_together(courses, first.reader.backbone, self, module.prompt)
        if not best.improved:
            say_unlearned()
        self._found = best.kept
        chance = [np.log(FORMATS[name].answers) for name in self.formats]
        self.pretraining_ = {
            "sets of pre-training": float(len(problems)),
            "mean loss on questions held out": best.loss,
            "the same by chance": float(np.mean(chance)),
        }
        return []

    def for_others(self) -> Prompt | None:
        """The one prompt."""
        return self._found

    def own_start(self, problem: Problem) -> Prompt:
        """The same on train alone."""
        notice(
            "ppt pre-trains its prompt on the series of train itself, without their labels; ",
            Setting("prompt_from"),
            " starts from other sets, see `tsprompt pretrain`",
        )
        self.pretrain([problem])
        assert self._found is not None  # it is the start, if nothing was learned
        return self._found

    def _courses(
        self, problems: Sequence[Problem], module: PromptModule, edges: FloatArray
    ) -> list[Course]:
        """Each format for each set; the sets' coaches of one format are the same."""
        courses: list[Course] = []
        for name in self.formats:
            asked = [self.asked(problem, name, edges) for problem in problems]
            found = [one.read(module.prompt(), f"{name} questions") for one in asked]
            trainers = [
                MaskTrainer(problem, self, one.features)
                for problem, one in zip(asked, found, strict=True)
            ]
            pooled = Lesson(
                torch.cat(
                    [one.features[own.learn] for one, own in zip(found, trainers, strict=True)]
                ),
                np.concatenate([one.labels[: one.learn] for one in asked]),
                FORMATS[name].answers,
                derive(problems[0].seed, "ppt", name),
            )
            coach = MLP().coach(pooled, self.hidden).to(found[0].features.device)
            for problem, one, trainer in zip(asked, found, trainers, strict=True):
                trainer.coach = coach
                features = TrainFeatures(problem, one)
                courses.append(Course(module, trainer, features, trainer.loss))
        return courses

    def asked(self, problem: Problem, name: str, edges: FloatArray) -> Problem:
        """The problem of one format that takes the place of this one: its labels are not read.

        The questions about series that are held out are the last. No series has a part in both,
        and the same are held out whatever the format.

        Parameters
        ----------
        edges
            (4,) between the levels of `single`.

        Raises
        ------
        InputError
            There are fewer than four series, or one is too short to be cut.
        """
        cases, pretext = problem.train, FORMATS[name]
        rng = generator(problem.seed, "pretext", problem.member)
        order = rng.permutation(len(cases))[: self.pretraining_cases]
        if len(order) < 4 or cases.lengths.min() < LEAST_LENGTH:
            raise InputError(
                f"ppt cuts series in quarters and exchanges them: this takes 4 series of "
                f"{LEAST_LENGTH} timesteps, and there are {len(cases)}, the shortest of "
                f"{cases.lengths.min()}; pre-train on other sets and give ",
                Setting("prompt_from"),
            )
        held = int(np.clip(round(self.validation * len(order)), 2, len(order) - 2))
        rng = generator(problem.seed, "pretext", problem.member, name)
        sides = [
            [
                question
                for own, other in zip(side, np.roll(side, 1), strict=True)
                for question in pretext.ask(cases[own], cases[other], rng, edges)
            ]
            for side in (order[held:], order[:held])
        ]
        questions = [one for side in sides for one in side]
        return dataclasses.replace(
            problem,
            cases=Cases([series for series, _ in questions]),
            labels=np.array([answer for _, answer in questions]),
            n_classes=pretext.answers,
            readout=Mask(),
            head=MLP(),
            context=NoContext(),
            learn=len(sides[0]),
            weights=None,  # they belong to labels that are not read
        )
