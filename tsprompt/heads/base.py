"""What every head does: learn classes from features, and judge itself inside train."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NotRequired, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.spoken import ONE_WORD, Spoken
from tsprompt.base.accelerator import sent
from tsprompt.base.blocks import read
from tsprompt.base.part import Part
from tsprompt.base.registry import Registry
from tsprompt.base.scratch import row_blocks
from tsprompt.base.state import Figure
from tsprompt.heads.judgement import Judgement
from tsprompt.heads.lesson import Labels, Lesson
from tsprompt.heads.weighing import relative, standardiser

__all__ = [
    "NO_VALIDATION",
    "Head",
    "HoldsOut",
    "Linear",
    "Perceptron",
    "heads",
    "softmax",
]

heads: Registry[Head] = Registry("head")

NO_VALIDATION = "none, with one case of each class"
"""How validation figures were come by where no case can be left out, and no others are there."""


@dataclass(frozen=True)
class Linear:
    """Probabilities that are the softmax of scores which are linear in standardised features:
    ``bias + ((features - mean) / unit) @ weights``."""

    mean: Tensor
    """(R,)"""
    unit: Tensor
    """(R,)"""
    weights: Tensor
    """(R, C)"""
    bias: Tensor
    """(C,) the scores of a case whose features are the mean."""


@dataclass
class Head(Part):
    """Maps features (B, R) to class probabilities (B, C).

    After `fit`, `validation_loss_` (mean negative log-likelihood) and `validation_accuracy_` tell
    how well it does on train cases that it had not learned from. Selection uses nothing else. The
    loss weighs the cases as training does; the accuracy counts each once.
    """

    validation_loss_ = float("nan")
    validation_accuracy_ = float("nan")
    developed_ = False
    """Whether the validation figures are those of a development sample."""
    judged = cast("Judgement | None", None)
    """What it said, while it was fitted, of the cases that validation asked; it is not saved. None:
    it keeps none."""

    reads_mask: ClassVar[bool] = False
    """Whether features must be what the model says at the mask, at one layer: for heads that read
    it as words."""

    needs_words: ClassVar[bool] = False
    """Whether it uses the words of the language model."""
    needs_pairs: ClassVar[bool] = False
    """Whether it judges pairs of inputs, as the context `pairs` makes them."""
    needs_texts: ClassVar[bool] = False
    """Whether it compares pictures with texts, as a CLIP was trained to."""
    has_words: ClassVar[bool] = False
    """Whether words stand for the classes, so that its coach tells them before it is trained."""
    takes_soft: ClassVar[bool] = False
    """Whether it can learn from probabilities instead of labels."""
    takes_sums: ClassVar[bool] = False
    """Whether it can learn from sums over cases that others have added up: see `Ridge.fit_sums`."""
    streams: ClassVar[bool] = False
    """Whether it learns from features that lie in a file, reading some at a time; see
    `tsprompt.base.blocks`."""
    without_cases: ClassVar[str | None] = None
    """The spec under which it needs no training case, where there is one."""

    class State(Part.State):
        """What fitting has learned."""

        developed_: NotRequired[bool]
        validation_loss_: Figure
        validation_accuracy_: Figure

    @property
    def needs_cases(self) -> bool:
        """Whether it learns from training cases; if not, it may be used zero-shot."""
        return True

    @property
    def asks_speaker(self) -> bool:
        """Whether it asks the model's own head for masked words, which is then fine-tuned with the
        model."""
        return False

    @property
    def held_share(self) -> float:
        """Share of train that it holds out to validate on, unless there is a development sample."""
        return 0.0

    @property
    def min_per_class(self) -> int:
        """Train cases that each class needs: one in each part."""
        return 2 if self.held_share else 1

    @property
    def class_words(self) -> list[int] | None:
        """The id of a word for each class, if it has met the classes and takes words for them."""
        return None

    def fresh(self) -> Head:
        """A head of the same options that has learned nothing, but met what this one has met."""
        copy = dataclasses.replace(self)
        copy.__dict__.update(self._met)
        return copy

    @property
    def _met(self) -> dict[str, Any]:
        """What `meet` has set: it is not saved, and not learned."""
        return {key: value for key, value in vars(self).items() if key.startswith("met_")}

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Get to know the language model and the names of the classes, before `fit` and after
        `restore`.

        Raises
        ------
        ConfigError
            The head has no meaning with this language model or these classes.
        """

    @property
    def asks(self) -> Spoken:
        """What the model is to say for it, once it has met it."""
        return ONE_WORD

    def coach(self, lesson: Lesson, hidden: int) -> nn.Module:
        """What guides a prompt while it is trained: a module from features (b, R) to scores (b, C).

        Parameters
        ----------
        lesson
            The cases to learn from, under the prompt as it first is.
        hidden
            Units of a perceptron, where the head has no module of its own.
        """
        scale = standardiser(lesson.features, relative(lesson.train_weights))
        return Coach(*scale, hidden, lesson.n_classes)

    def fit(self, lesson: Lesson) -> Self:
        """Learn from train.

        Raises
        ------
        InputError
            Nothing can be held out.
        ConfigError
            The features or the classes are not such as it takes.
        """
        if lesson.chances is not None and not self.takes_soft:
            raise NotImplementedError(f"the head {self.name!r} can't learn from probabilities")
        self._fit(lesson)
        return self

    @abstractmethod
    def _fit(self, lesson: Lesson) -> None:
        """Learn, and judge itself."""

    @abstractmethod
    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) class probabilities of features (B, R)."""

    def linear(self) -> Linear | None:
        """The same as a linear map; None where it is none."""
        return None

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) logarithms of the probabilities, up to a number for each case: a softmax makes the
        probabilities of them."""
        tiny = np.finfo(np.float64).tiny
        return np.log(np.maximum(self.probabilities(features), tiny))

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """How many numbers it has learned."""

    @abstractmethod
    def validation_kind(self) -> str:
        """How the validation figures were come by, in a few words."""

    def state(self) -> dict[str, Any]:
        """Also the validation figures."""
        return {
            **super().state(),
            "validation_loss_": self.validation_loss_,
            "validation_accuracy_": self.validation_accuracy_,
        }


class HoldsOut(Part):
    """For heads that learn from a part of train and validate on the rest, or on the development
    sample, where there is one."""

    validation: float
    """Share of train that is held out."""
    developed_: bool
    judged: Judgement | None

    @abstractmethod
    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) class probabilities of features (B, R)."""

    @property
    def held_share(self) -> float:
        """The option."""
        return self.validation

    def held_out(self, lesson: Lesson) -> tuple[Lesson, Labels, Labels]:
        """The lesson with all cases, and which of them it learns from and validates on."""
        if lesson.development is not None:
            self.developed_ = True
        return lesson.divided(self.validation)

    def judge(self, whole: Lesson, validate: Labels) -> None:
        """Keep what the fitted head says of the cases that were validated on."""
        rows, features = torch.from_numpy(validate), whole.features
        chances = [
            self.probabilities(read(features, sent(rows[part], features.device)))
            for part in row_blocks(features, len(rows))
        ]
        self.judged = Judgement(validate, whole.labels[validate], np.concatenate(chances))

    def validation_kind(self) -> str:
        """What `held_out` gave to validate on, in a few words."""
        return (
            "development sample" if self.developed_ else f"{self.validation:.0%} of train held out"
        )


def softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(B, C) of scores (B, C)."""
    return np.asarray(torch.from_numpy(scores).softmax(dim=1).numpy())


class Perceptron(nn.Sequential):
    """R -> hidden -> C, with ReLU."""

    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))


class Coach(nn.Module):
    """A perceptron on standardised features."""

    mean: Tensor
    unit: Tensor

    def __init__(self, mean: Tensor, unit: Tensor, hidden: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("unit", unit)
        self.perceptron = Perceptron(len(mean), hidden, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Scores (b, C) of features (b, R)."""
        out: Tensor = self.perceptron((features - self.mean) / self.unit)
        return out
