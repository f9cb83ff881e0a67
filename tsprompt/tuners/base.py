"""What every tuner is given, and what it gives back."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from tsprompt.backbones.template import Prompt
from tsprompt.base.part import Part
from tsprompt.base.placebo import random_gradients
from tsprompt.base.registry import Registry
from tsprompt.base.seeds import derive, generator
from tsprompt.contexts import Context, NoContext
from tsprompt.data import Cases
from tsprompt.errors import ConfigError, InputError, Setting
from tsprompt.heads import Head, Lesson
from tsprompt.heads.lesson import Labels, hold_out
from tsprompt.heads.weighing import Weights
from tsprompt.prompts import PromptModel, PromptModule
from tsprompt.prompts.base import FixedPrompt
from tsprompt.reading.reader import Reader, Reading
from tsprompt.readouts import Readout
from tsprompt.tokenizers import Tokenizer

__all__ = ["Choices", "Found", "Problem", "Taught", "Tuner", "tuners", "tuners_for"]

tuners: Registry[Tuner] = Registry("tuner")
Module = TypeVar("Module", bound=nn.Module)


@dataclass
class Taught:
    """Labels that a tuner's models have given, for the head to learn from in place of the true
    ones."""

    chances: npt.NDArray[np.float64]
    """(B + U, C) probabilities for train, and for the cases without a label behind it."""
    features: Tensor
    """(U, R) of these."""


@dataclass
class Found:
    """A prompt that a tuner settled on, with what it makes the model say about train."""

    reading: Reading
    features: Tensor
    """(B, R) features of train, and of the development sample behind it."""
    trained: int = 0
    """Numbers that gradients have changed to find it: the prompt's and the language model's."""
    taught: Taught | None = None
    """What a tuner that `teaches` has for the head."""


@dataclass
class Problem:
    """Train, and all that reads it, for one member of the ensemble of prompts.

    Where there is a development sample, its cases are the last of `cases`. A tuner
    that holds out a part of train asks `split` which cases to learn from, and never sees the rest.
    """

    member: int
    """Which of the prompts whose features are concatenated."""
    cases: Cases
    labels: Labels
    """(B,) class numbers, of this member's task."""
    n_classes: int
    reader: Reader
    tokenizer: Tokenizer
    """Fitted on train."""
    prompt: PromptModel
    readout: Readout
    """Not fitted: each prompt gets its own."""
    head: Head
    """Not fitted; it has met the language model."""
    slots: int
    """P, the prompt slots of the longest series."""
    layers: tuple[int, ...]
    seed: int
    classes: tuple[str, ...] = ()
    """(C,) what the classes of this member's task are called."""
    context: Context = field(default_factory=NoContext)
    """Fitted, for this member."""
    tunes_prompt: bool = True
    """Whether training may change the prompt."""
    learn: int | None = None
    """How many of the cases are train, if not all: the others are the development sample."""
    parts: int = 1
    """Of how many parts, each read by a member of its own, the prompt consists."""
    weights: Weights | None = None
    """(B,) how much each case counts; None: all alike."""
    start: Prompt | None = None
    """A trained prompt to start from, instead of the prompt model's draw."""
    placebo: bool = False
    """Whether chance takes the place of what train says: see `Tuner.placebo`."""
    unlabelled: Cases | None = None
    """U further cases without a label, for a tuner that `uses_unlabelled`."""

    def __post_init__(self) -> None:
        self.prompt.inputs = self.reader.inputs(self.slots)

    def draw(self, number: int) -> Prompt:
        """The prompt model's draw with this number, for this member; the prompt to start from, if
        there is one."""
        backbone = self.reader.backbone
        if self.start is not None:
            return self.prompt.resume(self.start, self.slots, backbone).prompt()
        if self.parts == 1:
            return self.prompt.draw_for(self.member, number, self.slots, backbone, self.seed)
        total = self.slots * self.parts
        whole = self.prompt.draw_for(0, number, total, backbone, self.seed)
        if len(whole) not in (0, total):
            raise ConfigError(
                f"the prompt {self.prompt.name!r} has a length of its own and can't be split into "
                f"{self.parts} parts; use ",
                Setting("prompt", "hard"),
            )
        return whole.part(self.member, self.parts)

    @property
    def train(self) -> Cases:
        """Train alone, without the development sample."""
        return self.cases if self.learn is None else self.cases[: self.learn]

    def split(self, share: float, seed: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Cases to learn from and to validate on: the development sample, or a share of train."""
        if self.learn is None:
            return hold_out(self.labels, share, seed)
        order = np.arange(len(self.labels))
        return order[: self.learn], order[self.learn :]

    def module(self, number: int) -> PromptModule:
        """The prompt model's trainable draw with this number, for this member; the draw as it is,
        where the prompt is to stay fixed."""
        if not self.tunes_prompt:
            return FixedPrompt(self.draw(number))
        if self.start is not None:
            return self.trainable(
                self.prompt.resume(self.start, self.slots, self.reader.backbone), number
            )
        rng = generator(self.seed, "prompt", self.member, number)
        return self.trainable(self.prompt.module(self.slots, self.reader.backbone, rng), number)

    def trainable(self, module: Module, number: int | str) -> Module:
        """The module as a tuner may train it: in a placebo, no gradient tells it anything. For all
        that writes a prompt; `number` tells the modules of one member apart."""
        if self.placebo:
            random_gradients(module.parameters(), derive(self.seed, "placebo", self.member, number))
        return module

    def chance(self) -> np.random.Generator:
        """What draws the proposals of a placebo, for this member."""
        return generator(self.seed, "placebo", self.member)

    def read(self, prompt: Prompt, stage: str) -> Found:
        """Run the language model over train under this prompt: the costly step."""
        reading, rng = self._reading(prompt)
        features = self.reader.fit_features(reading, self.cases, rng, stage, self.learn)
        return Found(reading, features)

    def reading(self, prompt: Prompt, stage: str) -> Reading:
        """The same reading as `read` gives, where nobody needs the features of train."""
        reading, rng = self._reading(prompt)
        self.reader.fit_readout(reading, self.train, rng, stage)
        return reading

    def _reading(self, prompt: Prompt) -> tuple[Reading, np.random.Generator]:
        """A reading whose readout is not fitted, and what draws the cases for that."""
        readout = dataclasses.replace(self.readout)
        readout.meet(self.reader.backbone, words=self.context.word_ids)
        reading = Reading(self.tokenizer, prompt, readout, self.layers, self.member, self.context)
        return reading, generator(self.seed, "readout", self.member)

    def lesson(self, found: Found) -> Lesson:
        """What a head is fitted on under the prompt that was found."""
        extra = None
        if self.learn is not None:
            extra = found.features[self.learn :], self.labels[self.learn :]
        return Lesson(
            features=found.features[: self.learn],
            labels=self.labels[: self.learn],
            n_classes=self.n_classes,
            seed=derive(self.seed, "head"),
            optional=found.reading.readout.optional(found.features.shape[1]),
            development=extra,
            weights=self.weights,
        )

    def validation_loss(self, found: Found) -> float:
        """How well a fresh head does on train cases that it has not learned from.

        Raises
        ------
        InputError
            There is none that could be left out.
        """
        head = self.head.fresh().fit(self.lesson(found))
        if np.isnan(head.validation_loss_):
            raise InputError(
                f"prompts can't be compared: the head {head.name!r} could validate on no case "
                f"({head.validation_kind()}); give a development sample or more cases, or use ",
                Setting("tuner", "none"),
            )
        return head.validation_loss_


def tuners_for(prompt: PromptModel | type[PromptModel]) -> tuple[str, ...]:
    """All tuners that can find a prompt: those that it names, and those that name it."""
    more = (name for name in tuners if prompt.name in tuners[name].finds)
    return tuple(dict.fromkeys([*prompt.tuners, *more]))


class Choices(Protocol):
    """What a tuner may ask of the choices that stand beside it."""

    scope: str
    tokenizer: Tokenizer
    readout: Readout
    head: Head


@dataclass
class Tuner(Part):
    """Finds a prompt by what train says about it. It never sees anything else."""

    pretrains: ClassVar[bool] = False
    """Whether it can also make prompts on other sets, for a later start; see `PretrainingTuner`."""
    reads_answer: ClassVar[bool] = False
    """Whether it looks at what stands at the mask, whatever the readout does."""
    hears_words: ClassVar[bool] = False
    """Whether it asks the head's words what a prompt makes the model say; see `Head.has_words`."""
    streams: ClassVar[bool] = False
    """Whether it holds nothing of all cases but the features that `Problem.read` gives."""
    finds: ClassVar[tuple[str, ...]] = ()
    """Prompts that it can find though their own files don't name it."""
    needs: ClassVar[str] = ""
    """What it is to be given besides train and the backbone, in a few words."""
    placebo: ClassVar[str] = ""
    """What is left to chance in its placebo (see `Regime.placebo`), where budget and judgement stay
    as they are, in a few words; nothing, if it seeks no prompt. Whatever module `Problem.module`
    gives, or `Problem.trainable` is shown, hears nothing of train by itself; a search draws its
    proposals by `Problem.chance` where `Problem.placebo` holds."""
    trains_both: ClassVar[bool] = False
    """Whether it can train the language model together with the prompts that it finds; the tuner
    `gradient` can with any prompt."""
    trains_model: ClassVar[bool] = False
    """Whether it trains a language model by itself, under prompts that stay as they are."""
    uses_unlabelled: ClassVar[bool] = False
    """Whether cases without a label are of use to it."""
    teaches: ClassVar[bool] = False
    """Whether the head learns from labels that it gives; see `Taught`."""
    unjudged: ClassVar[str | None] = None
    """Why nothing that is said of train is said of cases that are new to the model; None: some
    is."""

    @property
    def n_found(self) -> int:
        """How many prompts `find` gives."""
        return 1

    def slots_of(self, own: int) -> int:
        """How many slots its prompts fill at the most, where the prompt model fills `own`."""
        return own

    @property
    def needs_cases(self) -> bool:
        """Whether it needs labels of train; if not, it may be used zero-shot."""
        return True

    def check(self, design: Choices) -> None:
        """See that it goes together with the other choices.

        Raises
        ------
        ConfigError
            It does not.
        """

    @property
    def held_share(self) -> float:
        """Share of train that it holds out by itself, unless there is a development sample; what a
        head holds out that it asks does not count."""
        return 0.0

    @property
    def min_per_class(self) -> int:
        """Train cases that each class needs: one in each part."""
        return 2 if self.held_share else 1

    @abstractmethod
    def find(self, problem: Problem) -> list[Found]:
        """The prompts of one member, the best first."""

    def report(self) -> dict[str, float]:
        """Figures of the last `find` that a reader of the result should know."""
        return {}
