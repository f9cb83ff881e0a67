"""What the heads share that read the mask as words."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.base import Words
from tsprompt.backbones.word_scores import SCORERS, WordScorer, word_scorer
from tsprompt.base.blocks import blocks, collected, mapped, picked
from tsprompt.base.part import require, require_one_of
from tsprompt.base.seeds import generator
from tsprompt.base.state import Index, numbers
from tsprompt.errors import BackboneError
from tsprompt.heads.answer import Answer, fit_answer, members
from tsprompt.heads.base import NO_VALIDATION, Head, softmax
from tsprompt.heads.judgement import Judgement
from tsprompt.heads.lesson import Labels, Lesson, seen_elsewhere
from tsprompt.heads.weighing import (
    Weights,
    as_tensor,
    cross_entropy,
    mean_of,
    relative,
    spread_of,
)

__all__ = ["ClassScores", "ScoringHead", "Verbalizer", "WordHead"]

_FOLDS = 10
"""Parts of train, each judged by what was learned without it."""
_ROWS = 256
"""Cases whose scores of the whole vocabulary exist at once."""


@dataclass
class ScoringHead(Head):
    """A head that hears what the model says at the mask through a scorer of the model's.

    The features are K vectors of D entries side by side: one with ``scope="series"`` and one
    prompt, S with ``scope="step"``, more with several prompts or layers. Each is an answer to the
    same question, so their scores are averaged, as those of several prompts are in PET (Schick and
    Schuetze 2021).
    """

    reads_mask: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    class State(Head.State):
        """What fitting has learned."""

        voice_hash_: str

    def hear(self, scorer: WordScorer, classes: list[str]) -> None:
        """Ask this scorer, about these classes."""
        self.met_scorer, self.met_classes = scorer, list(classes)

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what `state` gave; another head for words than that of the fit is refused."""
        if state["voice_hash_"] != self.met_scorer.weights_hash:
            raise BackboneError(
                f"the head for words of {self.met_scorer.backbone.name} is not the one that the "
                "model was fitted with; install the same backbone, or fit again"
            )
        super().restore(state)

    def say(self, features: Tensor) -> Tensor:
        """What the scorer makes of features (b, K * D): the mean over K, (b, E).

        Scores are linear in it, so they are the mean of the scores of the K vectors.
        """
        size = self.met_scorer.size
        require(
            features.shape[1] % size == 0,
            f"{self.name}: there are {features.shape[1]} features, but the states that become "
            f"words have {size} entries each; read the mask of one layer or of several",
        )
        return self.met_scorer.say(features.unflatten(1, (-1, size))).mean(dim=1)

    def hear_all(self, features: Tensor) -> Tensor:
        """(B, E) what the scorer makes of features (B, R), on the processor; in a file, where they
        lie in one."""
        with torch.no_grad():
            return mapped(features, lambda some: self.say(some).cpu())

    @abstractmethod
    def _names(self, ids: Sequence[Sequence[int]]) -> list[list[str]]:
        """What stands for each class, to be read."""

    def _check_classes(self, n_classes: int) -> None:
        require(
            n_classes == len(self.met_classes),
            f"{self.name}: a prompt's task has {n_classes} classes of its own, which have no "
            f"names, and so no words; the data have {len(self.met_classes)}. Use a combination "
            "that leaves the classes as they are",
        )


@dataclass
class WordHead(ScoringHead):
    """A head that reads the mask as words."""

    needs_words: ClassVar[bool] = True

    scores: str = "model"
    """Where scores of words come from: the `model`'s own head for masked words, which is trained
    where the model is fine-tuned; or `tied`, its word embeddings times what it says, for models
    that have no such head."""

    def __post_init__(self) -> None:
        require_one_of(self, "scores", tuple(SCORERS))

    @property
    def asks_speaker(self) -> bool:
        """With `scores=model`."""
        return self.scores == "model"

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Find the scorer."""
        self.hear(word_scorer(backbone, self.scores), classes)

    @property
    def vocabulary(self) -> Words:
        """The words that the scorer scores."""
        return self.met_scorer.backbone.words

    def scores_of_words(self, said: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Scores (n, V) of the whole vocabulary, float64, by what is said (B, E): for some of the
        cases after others, and for which."""
        for rows, some in blocks(said):
            start = rows.start
            for part in some.split(_ROWS):
                scores = self.met_scorer.scores(part).cpu().to(torch.float64)
                yield slice(start, start + len(part)), scores
                start += len(part)

    def _names(self, ids: Sequence[Sequence[int]]) -> list[list[str]]:
        return [[self.vocabulary.word(one) for one in own] for own in ids]


@dataclass
class ClassScores(ScoringHead):
    """Classes are told by the scores of what stands for them: words, texts, pairs.

    A class's score is the weighted mean of those of its own. What is learned on top, a
    temperature and a bias for each class, is fitted by maximum a posteriori with standard-normal
    priors; a temperature is positive, so that a word can't come to speak against its class.
    """

    calibrate: bool = True
    """Take off each word's mean score over train, so that words that the model always prefers
    don't outvote the others (Zhao et al. 2021; the mean over train as in Hu et al. 2022). Without
    a labelled case (zero-shot) it is the mean over the cases without labels."""

    has_words: ClassVar[bool] = True
    weighs: ClassVar[bool] = False
    """Whether the words of a class get learned weights."""

    class State(ScoringHead.State):
        """What fitting has learned."""

        ids_: list[list[Index]]
        words_: list[list[str]]
        prior_: Annotated[Tensor, numbers("float64", "M")]
        weights_: Annotated[Tensor, numbers("float64", "M")]
        scale_: Annotated[Tensor, numbers("float64", "K", above=0)]
        bias_: Annotated[Tensor, numbers("float64", "K")]
        folds_: Index

    @property
    def of_chances(self) -> bool:
        """Whether the chances of a class's words are averaged, and not the scores."""
        return False

    def evidence(self, said: Tensor) -> Tensor:
        """(B, ...) what the words are chosen by, of what is said (B, E), case by case."""
        return said

    @abstractmethod
    def choose(self, evidence: Tensor, lesson: Lesson) -> list[list[int]]:
        """The words of each class, ids, by the evidence (B, ...) of train."""

    def answer_to(self, said: Tensor, evidence: Tensor, lesson: Lesson) -> Answer:
        """Choose words and fit what is fitted, by what is said (B, E) about train."""
        weights = as_tensor(lesson.train_weights)
        answer = self._unfitted(said, self.choose(evidence, lesson), weights)
        if not self.needs_cases:
            return answer
        scores, truth = self._all_scores(said, answer.flat), torch.from_numpy(lesson.labels)
        return fit_answer(answer, scores, truth, weights, weighs=self.weighs)

    def _unfitted(self, said: Tensor, ids: list[list[int]], weights: Tensor | None) -> Answer:
        inside = members(ids)
        flat = torch.tensor([one for own in ids for one in own])
        ones = torch.ones(len(ids), dtype=torch.float64)
        prior = torch.zeros(len(flat), dtype=torch.float64)
        return Answer(
            ids=ids,
            prior=self.prior(said, flat, weights) if self.calibrate else prior,
            weights=(inside / inside.sum(dim=0)).sum(dim=1),
            scale=ones,
            bias=torch.zeros_like(ones),
            of_chances=self.of_chances,
        )

    def prior(self, said: Tensor, ids: Tensor, weights: Tensor | None) -> Tensor:
        """(M,) what calibration takes off the scores of words, by what is said (B, E) of cases."""
        return mean_of(self._all_scores(said, ids), weights)

    def heard(self, said: Tensor, ids: Tensor) -> Tensor:
        """Scores (b, M) of what these ids (M,) stand for, of what is said (b, E)."""
        return self.met_scorer.scores(said, ids)

    def _score(self, said: Tensor, ids: Tensor) -> Tensor:
        return self.heard(said, ids).cpu().to(torch.float64)

    def _all_scores(self, said: Tensor, ids: Tensor) -> Tensor:
        """(B, M) for what is said (B, E) of all cases; in a file, where that lies in one."""
        return mapped(said, lambda some: self._score(some, ids))

    def _classes(self, answer: Answer, said: Tensor) -> Tensor:
        """Scores (B, C) of the classes, by what is said (B, E)."""
        return collected(said, lambda some: answer.classes(self._score(some, answer.flat)))

    def _fit(self, lesson: Lesson) -> None:
        """Learn from train; optional features are features like others."""
        self._check_classes(lesson.n_classes)
        seen = said = self.hear_all(lesson.features)
        if lesson.unlabelled is not None and not len(said):
            seen = self.hear_all(lesson.unlabelled)
        with torch.no_grad():
            evidence = self.evidence(seen)
        answer = self.answer_to(seen, evidence, lesson)
        scores, truth, weights = self._judged(said, evidence, answer, lesson)
        self.validation_loss_ = float(cross_entropy(scores, truth, relative(weights)))
        self.validation_accuracy_ = float((scores.argmax(dim=1) == truth).double().mean())
        self.voice_hash_ = self.met_scorer.weights_hash
        self.ids_, self.words_ = answer.ids, self._names(answer.ids)
        self.prior_, self.weights_ = answer.prior, answer.weights
        self.scale_, self.bias_ = answer.scale, answer.bias

    def _judged(
        self, said: Tensor, evidence: Tensor, answer: Answer, lesson: Lesson
    ) -> tuple[Tensor, Tensor, Weights | None]:
        """Scores (n, C) of the cases that tell how good it is, their class numbers and weights."""
        labels, weights, self.folds_ = lesson.labels, lesson.train_weights, 0
        if not (self.needs_cases or self.calibrate):
            scores = self._classes(answer, said)
            self._keep(np.arange(len(labels)), labels, scores)
            return scores, torch.from_numpy(labels), weights
        # What is learned without the only case of a class knows nothing of the class.
        fair = np.ones(len(labels), dtype=bool)
        if self.needs_cases:
            fair = seen_elsewhere(labels, lesson.groups)
        if lesson.development is not None and len(np.setdiff1d(labels, labels[fair])):
            self.developed_ = True
            features, labels = lesson.development
            scores = self._classes(answer, self.hear_all(features))
            self._keep(len(lesson.labels) + np.arange(len(labels)), labels, scores)
            return scores, torch.from_numpy(labels), lesson.development_weights
        scores = torch.zeros(len(labels), len(answer.ids), dtype=torch.float64)
        if fair.any():
            scores = self._unseen(said, evidence, lesson)
            self._keep(np.arange(len(labels)), labels, scores)
        own = None if weights is None else weights[fair]
        return scores[fair], torch.from_numpy(labels[fair]), own

    def _keep(self, rows: Labels, labels: Labels, scores: Tensor) -> None:
        """Keep what is said of cases, of which nothing was learned but by others."""
        self.judged = Judgement(rows, labels, softmax(np.asarray(scores.numpy())))

    def _unseen(self, said: Tensor, evidence: Tensor, lesson: Lesson) -> Tensor:
        """Scores (B, C) of each case by what was learned without it, and without its group."""
        labels = lesson.labels
        groups = np.arange(len(labels)) if lesson.groups is None else lesson.groups
        names, first, group = np.unique(groups, return_index=True, return_inverse=True)
        order = generator(lesson.seed, self.name, "folds").permutation(len(names))
        order = order[np.argsort(labels[first][order], kind="stable")]
        self.folds_ = min(_FOLDS, len(names))
        scores = torch.zeros(len(labels), lesson.n_classes, dtype=torch.float64)
        labelled = lesson.without_features
        for number in range(self.folds_):
            inside = np.isin(group, order[number :: self.folds_])
            held, rest = np.flatnonzero(inside), np.flatnonzero(~inside)
            rows = torch.from_numpy(rest)
            heard = picked(said, rows)
            seen = heard if evidence is said else picked(evidence, rows)
            answer = self.answer_to(heard, seen, labelled.of_rows(rest))
            scores[held] = self._classes(answer, picked(said, torch.from_numpy(held)))
        return scores

    @property
    def answer(self) -> Answer:
        """What it has learned."""
        learned = self.prior_, self.weights_, self.scale_, self.bias_
        return Answer(self.ids_, *learned, of_chances=self.of_chances)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Softmax of the classes' scores."""
        return softmax(self.log_chances(features))

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) the classes' scores."""
        answer = self.answer

        def score(some: Tensor) -> Tensor:
            return answer.classes(self._score(self.say(some), answer.flat))

        with torch.no_grad():
            return np.asarray(collected(features, score).numpy())

    def coach(self, lesson: Lesson, hidden: int) -> nn.Module:
        """The scores of its own words, as they are under the first prompt, and, where it learns
        any, temperatures and biases to be trained."""
        self._check_classes(lesson.n_classes)
        with torch.no_grad():
            said = self.say(lesson.features).cpu()
            weights = as_tensor(lesson.train_weights)
            answer = self._unfitted(said, self.choose(self.evidence(said), lesson), weights)
            scores = answer.classes(self._score(said, answer.flat))
        spread = spread_of(scores, weights)
        if self.needs_cases:
            answer.scale /= spread
            answer.bias = -(mean_of(scores, weights) / spread)
        return WordCoach(self, answer, learns=self.needs_cases)

    def plain(self, lesson: Lesson) -> nn.Module:
        """The mean of the scores of each class's words as the model gives them: from features
        (b, R) to scores (b, C), with nothing of its own to be trained."""
        self._check_classes(lesson.n_classes)
        with torch.no_grad():
            said = self.say(lesson.features).cpu()
            answer = self._unfitted(said, self.choose(self.evidence(said), lesson), None)
        answer.prior = torch.zeros_like(answer.prior)
        return WordCoach(self, answer, learns=False)

    @property
    def n_parameters(self) -> int:
        """Temperatures and biases, and weights of words, if they are learned."""
        if not self.needs_cases:
            return 0
        return self.scale_.numel() + self.bias_.numel() + self.weighs * self.weights_.numel()

    def validation_kind(self) -> str:
        """Cross-validation, or, where nothing is learned, train; of single cases, the others."""
        if not (self.needs_cases or self.calibrate):
            return "train, from which nothing was learned"
        if self.developed_:
            return "development sample"
        if not self.folds_:
            return NO_VALIDATION if self.needs_cases else "none, for no case has a label"
        return f"{self.folds_}-fold cross-validation"


@dataclass
class Verbalizer(ClassScores, WordHead):
    """Classes are told by the scores of words that stand for them."""

    quick: ClassVar[dict[str, Any]] = {"scores": "tied"}


class WordCoach(nn.Module):
    """Scores of classes through their words, for a prompt that is being trained."""

    def __init__(self, head: ClassScores, answer: Answer, *, learns: bool) -> None:
        super().__init__()
        device = head.met_scorer.vectors.device
        self.head, self.answer = head, answer.to(device, torch.float32)
        self.sharpness = nn.Parameter(torch.zeros_like(answer.scale, dtype=torch.float32), learns)
        self.shift = nn.Parameter(torch.zeros_like(answer.bias, dtype=torch.float32), learns)

    def forward(self, features: Tensor) -> Tensor:
        """Scores (b, C) of features (b, R)."""
        said = self.head.say(features)
        scores = self.answer.classes(self.head.heard(said, self.answer.flat))
        return scores * self.sharpness.exp() + self.shift
