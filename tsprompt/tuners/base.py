"""What every tuner is given, and what it gives back."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tsprompt.data import Cases
from tsprompt.heads import Head
from tsprompt.heads.base import Labels
from tsprompt.part import Part
from tsprompt.prompts import PromptModel, PromptModule
from tsprompt.prompts.base import FixedPrompt
from tsprompt.reading import Reader, Reading
from tsprompt.readouts import Readout
from tsprompt.registry import Registry
from tsprompt.seeds import derive, generator
from tsprompt.template import Prompt
from tsprompt.tokenizers import Tokenizer

__all__ = ["Found", "Problem", "Tuner", "tuners"]

tuners: Registry[Tuner] = Registry("tuner", "tsprompt.tuners")


@dataclass
class Found:
    """A prompt that a tuner settled on, with what it makes the model say about train."""

    reading: Reading
    features: Tensor
    """(B, R) features of train."""
    trained: int = 0
    """Numbers that gradients have changed to find it: the prompt's and the language model's."""


@dataclass
class Problem:
    """Train, and all that reads it, for one member of the ensemble of prompts."""

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
    tunes_prompt: bool = True
    """Whether training may change the prompt."""
    start: Prompt | None = None
    """A trained prompt to start from, instead of the prompt model's draw."""
    split: tuple[Labels, Labels] | None = None
    """Cases to learn from (n,) and to validate on (m,), where tuners hold out a part; None: they
    draw them."""

    def draw(self, number: int) -> Prompt:
        """The prompt model's draw with this number, for this member; the prompt to start from, if
        there is one."""
        if self.start is not None:
            return self.prompt.resume(self.start, self.slots, self.reader.backbone).prompt()
        rng = generator(self.seed, "prompt", self.member, number)
        return self.prompt.draw(self.slots, self.reader.backbone, rng)

    def module(self, number: int) -> PromptModule:
        """The prompt model's trainable draw with this number, for this member; the draw as it is,
        where the prompt is to stay fixed."""
        if not self.tunes_prompt:
            return FixedPrompt(self.draw(number))
        if self.start is not None:
            return self.prompt.resume(self.start, self.slots, self.reader.backbone)
        rng = generator(self.seed, "prompt", self.member, number)
        return self.prompt.module(self.slots, self.reader.backbone, rng)

    def read(self, prompt: Prompt, stage: str) -> Found:
        """Run the language model over train under this prompt: the costly step."""
        readout = dataclasses.replace(self.readout)
        reading = Reading(self.tokenizer, prompt, readout, self.layers)
        rng = generator(self.seed, "readout", self.member)
        return Found(reading, self.reader.fit_features(reading, self.cases, rng, stage))

    def validation_loss(self, found: Found) -> float:
        """How well a fresh head does on train cases that it has not learned from."""
        head = self.head.fresh()
        optional = found.reading.readout.optional(found.features.shape[1])
        seed = derive(self.seed, "head")
        head.fit(found.features, self.labels, self.n_classes, seed, optional)
        return head.validation_loss_


@dataclass
class Tuner(Part):
    """Finds a prompt by what train says about it. It never sees anything else."""

    pretrains: ClassVar[bool] = False
    """Whether it can also make prompts on other sets, for a later start; see `PretrainingTuner`."""

    @property
    def n_found(self) -> int:
        """How many prompts `find` gives."""
        return 1

    @abstractmethod
    def find(self, problem: Problem) -> list[Found]:
        """The prompts of one member, the best first."""

    def report(self) -> dict[str, float]:
        """Figures of the search that a reader of the result should know."""
        return {}
