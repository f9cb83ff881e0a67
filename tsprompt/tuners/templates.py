"""What the tuners share that find templates of words: spelling them, judging them, a placebo."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require
from tsprompt.base.seeds import derive
from tsprompt.errors import ConfigError, InputError
from tsprompt.heads.datastore import log_loss
from tsprompt.heads.lesson import Labels
from tsprompt.prompts.manual import Manual
from tsprompt.tuners.base import Found, Problem
from tsprompt.tuners.search import Search

__all__ = ["TemplateSearch", "words_of"]


@dataclass
class TemplateSearch(Search):
    """Finds a template of words, as a person would write one for the prompt `manual`.

    A part of train proposes the templates, and the rest, the development part, compares them: under
    each a head is fitted on the one and judged on the other, or on the development sample, where
    there is one. The `keep` best are kept, side by side.

    A template that the backbone's vocabulary can't spell, or that takes more than `longest` tokens,
    is passed over. Where each step has a prompt of its own, a template that is shorter than the
    slots is said again until they are full.
    """

    finds: ClassVar[tuple[str, ...]] = ("manual",)
    placebo: ClassVar[str] = "the templates: as many of random words are compared"

    longest: int = 16
    """The most tokens of a template."""
    validation: float = 0.25
    """Share of train that compares the templates, and proposes none."""

    class State(Search.State, total=False):
        """What fitting has learned."""

        templates_: list[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.longest >= 1, f"{self.name}: longest must be 1 or more")
        require(0 < self.validation < 1, f"{self.name}: validation lies between 0 and 1")

    def slots_of(self, own: int) -> int:
        """Room for the longest."""
        return max(own, self.longest)

    @property
    def min_per_class(self) -> int:
        """One in each part."""
        return 2

    @abstractmethod
    def propose(self, problem: Problem, learn: Labels) -> Iterator[str]:
        """Templates with `{series}` and `[MASK]`, the most promising first, by what these cases of
        train say."""

    def find(self, problem: Problem) -> list[Found]:
        """The best of those that were proposed.

        Raises
        ------
        InputError
            There is none that can be used.
        """
        seed = derive(problem.seed, "tuner", problem.member)
        self._parts = problem.split(self.validation, seed)
        self.templates_: list[str] = []
        best = super().find(problem)
        if len(best) < self.keep:
            raise InputError(
                f"{self.name}: of the templates that were proposed {len(best)} can be used, and "
                f"{self.keep} were asked for: others have more than longest={self.longest} tokens, "
                f"or words that {problem.reader.backbone.name} can't spell"
            )
        return best

    def candidates(self, problem: Problem) -> Iterator[Prompt]:
        """As many of the templates as there are `draws`, none twice."""
        learn, _ = self._parts
        proposed = self._chance(problem) if problem.placebo else self.propose(problem, learn)
        for text in proposed:
            prompt = None if text in self.templates_ else self._spelled(text, problem)
            if prompt is None:
                continue
            self.templates_.append(text)
            yield prompt
            if len(self.templates_) == self.draws:
                return

    def judge(self, problem: Problem, found: Found) -> float:
        """The loss on the development part of a head that the rest has taught."""
        learn, validate = self._parts
        rows = torch.from_numpy(validate).to(found.features.device)
        lesson = replace(problem.lesson(found), development=None)
        if problem.learn is None:
            lesson = lesson.of_rows(learn)
        head = problem.head.fresh().fit(lesson)
        chances = torch.from_numpy(head.probabilities(found.features[rows]))
        weights = None if problem.weights is None else problem.weights[validate]
        return log_loss(chances, problem.labels[validate], weights)

    def _spelled(self, text: str, problem: Problem) -> Prompt | None:
        """The template in tokens; None, if it can't be used."""
        backbone, reader = problem.reader.backbone, problem.reader
        try:
            written = Manual(template=text).written(backbone)
        except ConfigError:
            return None
        if not 1 <= len(written) <= self.longest:
            return None
        ids = np.array(written.ids, dtype=np.int64)
        if reader.strategy.by_step:
            ids = np.tile(np.resize(ids, reader.length), problem.slots // reader.length)
        return Prompt(torch.from_numpy(ids), before=written.before, mask=written.mask)

    def _chance(self, problem: Problem) -> Iterator[str]:
        """Templates of random words, series and mask anywhere in them."""
        rng, words = problem.chance(), problem.reader.backbone.words
        while True:
            count = int(rng.integers(1, self.longest + 1))
            text = [words.word(int(one)).lstrip("Ġ▁") for one in rng.choice(words.plain, count)]
            for mark in rng.permutation(["{series}", "[MASK]"]):
                text.insert(int(rng.integers(0, len(text) + 1)), str(mark))
            yield " ".join(text)

    def rank(self, problem: Problem, number: int, loss: float) -> float:
        """Its loss; that of a placebo's templates, too, which are compared like others."""
        return loss


def words_of(problem: Problem) -> list[str]:
    """What is said of each class: the head's own word for it, or what the class is called."""
    own, words = problem.head.class_words, problem.reader.backbone.words
    if own is None or len(own) != problem.n_classes:
        return list(problem.classes)
    return [words.word(one).lstrip("Ġ▁") for one in own]
