"""`soft-words-head`: trainable vectors stand for the classes, among those of the words."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.base.blocks import collected, picked
from tsprompt.base.part import require
from tsprompt.base.seeds import seeded_torch
from tsprompt.base.state import Index, Positive, numbers
from tsprompt.errors import ConfigError
from tsprompt.heads.base import heads, softmax
from tsprompt.heads.class_words import spell_words, words_of_classes
from tsprompt.heads.early_stopping import EarlyStopping
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.subset import Subset
from tsprompt.heads.verbalizer import WordHead
from tsprompt.heads.weighing import cross_entropy, mean_of, relative, spread_of

__all__ = ["SoftWords"]


@heads.register("soft-words-head")
@dataclass
class SoftWords(EarlyStopping, WordHead):
    """The verbalizer of WARP (Hambardzumyan, Khachatrian and May 2021).

    A class is a vector in the space of the words' vectors, and its score the product of it and what
    is said at the mask. The vectors start as those of the classes' words, where they have any, and
    are trained, NAdam, early stopping on a held-out part of train. What is said is taken from its
    mean over train, in units of one spread, so that they don't first learn what all cases share.
    """

    quick: ClassVar[dict[str, Any]] = {"epochs": 60, "scores": "tied"}

    words: str | None = None
    """Words to start from, as of `label-words`; None: the names of the classes, or, if these are no
    words of the vocabulary, random vectors."""
    learning_rate: float = 2e-2
    """Step size of NAdam, in units of the spread of the words' vectors."""
    epochs: int = 300
    """The most passes over train."""
    patience: int = 30
    """Epochs without improvement after which training ends."""
    batch: int = 32
    """Cases in a step."""
    validation: float = 0.25
    """Share of train that is held out."""

    class State(WordHead.State):
        """What fitting has learned."""

        label_vectors_: Annotated[Tensor, numbers("float32", "K", "E")]
        centre_: Annotated[Tensor, numbers("float32", "E")]
        scale_: Positive
        words_: list[str]
        epochs_run_: Index

    def __post_init__(self) -> None:
        super().__post_init__()
        self.words = spell_words(self.words)
        counts = (self.epochs, self.patience, self.batch)
        require(min(counts) >= 1, "soft-words-head: counts must be 1 or more")
        require(self.learning_rate > 0, "soft-words-head: learning_rate must be positive")
        require(0 < self.validation < 1, "soft-words-head: validation lies between 0 and 1")

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Find the scorer, and the vectors to start from."""
        super().meet(backbone, classes=classes)
        try:
            found = words_of_classes(self.words, classes, backbone.words, self.name)
        except ConfigError:
            if self.words is not None:
                raise
            found = []
        self.met_ids: list[list[int]] = found

    def module(self, said: Tensor, n_classes: int, weights: Tensor | None = None) -> SoftLabels:
        """Label vectors before any training, and the scale of what is said (B, E) about train."""
        vectors = self.met_scorer.vectors
        typical = vectors.std()
        if self.met_ids and n_classes == len(self.met_ids):
            own = [vectors[torch.tensor(ids, device=vectors.device)] for ids in self.met_ids]
            start = torch.stack([one.mean(dim=0) for one in own])
        else:
            start = typical.cpu() * torch.randn(n_classes, vectors.shape[1])
        return SoftLabels(said, start.cpu(), float(typical), weights)

    def _fit(self, lesson: Lesson) -> None:
        """Train with early stopping; optional features are features like others."""
        whole, learn, validate = self.held_out(lesson)
        said, labels = self.hear_all(whole.features), torch.from_numpy(whole.labels)
        train, held = (
            Subset(said, labels, torch.from_numpy(part), relative(whole.weights, part))
            for part in (learn, validate)
        )
        with seeded_torch(lesson.seed):
            model = self.module(picked(said, train.rows), lesson.n_classes, train.weights)
            best = self._descend(
                model,
                lambda some, *truth: cross_entropy(model(some), *truth),
                model.learned,
                train,
                held,
                device=whole.features.device,
            )
        vectors, centre, self.scale_ = best
        self.label_vectors_, self.centre_ = vectors.cpu(), centre.cpu()
        self.voice_hash_ = self.met_scorer.weights_hash
        self.words_ = self._near(self.label_vectors_)
        self.judge(whole, validate)

    def _near(self, vectors: Tensor) -> list[str]:
        """The word of the vocabulary whose vector is nearest to that of each class."""
        words = functional.normalize(self.met_scorer.vectors, dim=1)
        near = functional.normalize(vectors.to(words.device), dim=1) @ words.T
        return [self.vocabulary.word(int(one)) for one in near.argmax(dim=1)]

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Softmax of the classes' scores."""
        return softmax(self.log_chances(features))

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) the products of what is said and the classes' vectors."""

        def score(some: Tensor) -> Tensor:
            return (self.say(some).cpu() - self.centre_) @ self.label_vectors_.T * self.scale_

        with torch.no_grad():
            return np.asarray(collected(features, score).to(torch.float64).numpy())

    def coach(self, lesson: Lesson, hidden: int) -> nn.Module:
        """Label vectors of its own, to be trained with the prompt."""
        with torch.no_grad():
            said = self.say(lesson.features)
        weights = relative(lesson.train_weights)
        return SoftCoach(self, self.module(said, lesson.n_classes, weights))

    @property
    def n_parameters(self) -> int:
        """Entries of the label vectors."""
        return int(self.label_vectors_.numel())


class SoftLabels(nn.Module):
    """A vector for each class; scores (b, C) of what is said (b, E)."""

    centre: Tensor

    def __init__(self, said: Tensor, start: Tensor, typical: float, weights: Tensor | None) -> None:
        super().__init__()
        self.typical = typical
        self.labels = nn.Parameter(start / typical)
        self.register_buffer("centre", mean_of(said, weights).cpu())
        first = collected(said, lambda some: (some.cpu() - self.centre) @ start.T)
        self.scale = float(1 / spread_of(first, weights))

    def forward(self, said: Tensor) -> Tensor:
        """Scores (b, C)."""
        vectors = self.labels * self.typical
        return (said - self.centre) @ vectors.T * self.scale

    def learned(self) -> tuple[Tensor, Tensor, float]:
        """Label vectors (C, E), the centre (E,), and the scale of scores."""
        vectors = self.labels.detach() * self.typical
        return copy.deepcopy(vectors), self.centre, self.scale


class SoftCoach(nn.Module):
    """The same, from features."""

    def __init__(self, head: WordHead, model: SoftLabels) -> None:
        super().__init__()
        self.head, self.model = head, model

    def forward(self, features: Tensor) -> Any:
        """Scores (b, C) of features (b, R)."""
        return self.model(self.head.say(features))
