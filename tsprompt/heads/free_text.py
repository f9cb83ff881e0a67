"""`free-text`: the model writes what it likes, and its words tell the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.backbones.spoken import Spoken
from tsprompt.backbones.word_scores import WordScorer
from tsprompt.base.blocks import collected
from tsprompt.base.part import require
from tsprompt.base.state import numbers
from tsprompt.heads.base import NO_VALIDATION, heads, softmax
from tsprompt.heads.judgement import Judgement
from tsprompt.heads.lesson import Lesson, seen_elsewhere
from tsprompt.heads.verbalizer import WordHead
from tsprompt.heads.weighing import as_tensor, cross_entropy, relative

__all__ = ["FreeText", "likeliest", "naive_bayes"]

_ROWS = 256
"""States whose scores of the whole vocabulary exist at once."""


@heads.register("free-text")
@dataclass
class FreeText(WordHead):
    """An unbounded answer space: no list of answers is given, and the model writes `length` words,
    each the likeliest of its whole vocabulary but for special tokens.

    A model that writes, a decoder or an encoder-decoder, writes each word behind those before it;
    one that fills masks fills so many masks at once. A text is mapped onto a class by its words:
    naive Bayes with counts of the words that it wrote for train cases of each class (McCallum and
    Nigam 1998). So the texts are unbounded, and the classes are not.
    """

    quick: ClassVar[dict[str, Any]] = {"scores": "tied"}

    length: int = 4
    """Words that are written."""
    smoothing: float = 1.0
    """What is added to the count of each word in each class."""

    class State(WordHead.State):
        """What fitting has learned."""

        ids_: Annotated[Tensor, numbers("int64", "M", least=0, below="V")]
        log_words_: Annotated[Tensor, numbers("float64", "C", "columns", most=0)]
        log_prior_: Annotated[Tensor, numbers("float64", "C", most=0)]
        words_: list[list[str]]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.length >= 1, "free-text: length must be 1 or more")
        require(self.smoothing > 0, "free-text: smoothing must be positive")

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Find the scorer."""
        super().meet(backbone, classes=classes)
        self.met_writes = backbone.family.writes

    @property
    def asks(self) -> Spoken:
        """Words that are written, or masks to be filled."""
        if self.met_writes:
            return Spoken(writes=self.length, speak=partial(likeliest, self.met_scorer))
        return Spoken(masks=self.length)

    def texts(self, features: Tensor) -> Tensor:
        """Ids (B, K * length) of what is written, by features (B, K * length * D)."""
        size = self.met_scorer.size
        require(
            features.shape[1] % (self.length * size) == 0,
            f"{self.name}: there are {features.shape[1]} features, but a text has {self.length} "
            f"states of {size} entries; read the mask of one layer or of several",
        )
        states = features.unflatten(1, (-1, size)).flatten(0, 1)
        words = torch.cat([likeliest(self.met_scorer, part).cpu() for part in states.split(_ROWS)])
        return words.unflatten(0, (len(features), -1))

    def _names(self, ids: Sequence[Sequence[int]]) -> list[list[str]]:
        return [[self.vocabulary.word(one) for one in own] for own in ids]

    def _fit(self, lesson: Lesson) -> None:
        """Count words; each case is judged by the counts of the others."""
        self._check_classes(lesson.n_classes)
        written = collected(lesson.features, self.texts)
        self.ids_ = written.unique()
        labels, weights = torch.from_numpy(lesson.labels), as_tensor(lesson.train_weights)
        sums = self._sums(written, labels, weights, lesson.n_classes)
        self.log_words_, self.log_prior_ = naive_bayes(*sums, self.smoothing)
        self.voice_hash_ = self.met_scorer.weights_hash
        clear = self.log_words_ - self.log_words_.logsumexp(dim=0)
        self.words_ = self._names(
            [self.ids_[own[:-1].topk(min(3, len(self.ids_))).indices].tolist() for own in clear]
        )
        if lesson.development is not None:
            self.developed_ = True
            features, truth = lesson.development
            rows, held = len(labels) + np.arange(len(truth)), lesson.development_weights
            scores = torch.from_numpy(self.log_chances(features))
        else:
            fair = seen_elsewhere(lesson.labels, lesson.groups)
            rows, truth = np.flatnonzero(fair), lesson.labels[fair]
            held = None if lesson.train_weights is None else lesson.train_weights[fair]
            scores = self._without(written, sums, lesson, rows)
        if not len(rows):
            return
        known = torch.from_numpy(truth)
        self.judged = Judgement(rows, truth, softmax(scores.numpy()))
        self.validation_loss_ = float(cross_entropy(scores, known, relative(held)))
        self.validation_accuracy_ = float((scores.argmax(dim=1) == known).double().mean())

    def _without(
        self,
        written: Tensor,
        sums: tuple[Tensor, Tensor],
        lesson: Lesson,
        rows: npt.NDArray[np.intp],
    ) -> Tensor:
        """Scores (n, C) of cases by what was counted without them, and without their group."""
        labels, weights = torch.from_numpy(lesson.labels), as_tensor(lesson.train_weights)
        groups = np.arange(len(labels)) if lesson.groups is None else lesson.groups
        order = np.argsort(groups, kind="stable")
        ends = np.flatnonzero(np.diff(groups[order], append=groups[order][-1:] + 1)) + 1
        place = np.full(len(labels), -1)
        place[rows] = np.arange(len(rows))
        scores = torch.zeros(len(rows), lesson.n_classes, dtype=torch.float64)
        for own in np.split(order, ends[:-1]):
            asked = own[place[own] >= 0]
            if not len(asked):
                continue
            theirs = torch.from_numpy(own)
            counted = None if weights is None else weights[theirs]
            less = self._sums(written[theirs], labels[theirs], counted, lesson.n_classes)
            words, prior = naive_bayes(sums[0] - less[0], sums[1] - less[1], self.smoothing)
            counts = self._counts(written[torch.from_numpy(asked)])
            scores[torch.from_numpy(place[asked])] = counts @ words.T + prior
        return scores

    def _sums(
        self, written: Tensor, labels: Tensor, weights: Tensor | None, n_classes: int
    ) -> tuple[Tensor, Tensor]:
        """How often each class has each known word (C, M + 1) in its texts, and how many cases
        (C,), each case as often as it counts."""
        words = torch.zeros(n_classes, len(self.ids_) + 1, dtype=torch.float64)
        for start in range(0, len(written), _ROWS):
            part = slice(start, start + _ROWS)
            own = functional.one_hot(labels[part], n_classes).to(words)
            own = own if weights is None else own * weights[part].to(words)[:, None]
            words += own.T @ self._counts(written[part])
        return words, torch.bincount(labels, weights, minlength=n_classes).to(words)

    def _counts(self, written: Tensor) -> Tensor:
        """(B, M + 1) how often each known word is in texts (B, n); the last: all others."""
        place = torch.searchsorted(self.ids_, written).clamp(max=len(self.ids_) - 1)
        place = place.where(self.ids_[place] == written, torch.tensor(len(self.ids_)))
        return functional.one_hot(place, len(self.ids_) + 1).sum(dim=1).to(torch.float64)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Softmax of `log_chances`."""
        return softmax(self.log_chances(features))

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) ``log P(c) + sum of log P(word | c)`` over the words that are written."""
        written = collected(features, self.texts)
        parts = [
            self._counts(some) @ self.log_words_.T + self.log_prior_
            for some in written.split(_ROWS)
        ]
        return np.asarray(torch.cat(parts).numpy())

    @property
    def n_parameters(self) -> int:
        """Chances of words and of classes."""
        return self.log_words_.numel() + self.log_prior_.numel()

    def validation_kind(self) -> str:
        """Leave-one-out, or the development sample."""
        if np.isnan(self.validation_accuracy_):
            return NO_VALIDATION
        return "development sample" if self.developed_ else "leave-one-out"


def likeliest(scorer: WordScorer, states: Tensor) -> Tensor:
    """The ids (b,) of the likeliest words at states (b, D), special tokens left out."""
    with torch.no_grad():
        scores = scorer.scores(scorer.say(states))
        scores[
            :, torch.tensor(sorted(scorer.backbone.words.special), device=scores.device)
        ] = -torch.inf
        return scores.argmax(dim=1)


def naive_bayes(words: Tensor, cases: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """``log P(word | class)`` (C, M) and ``log P(class)`` (C,) of counts of words in each class
    (C, M), and of its cases (C,), with `smoothing` added to each count."""
    words, cases = words + smoothing, cases + smoothing
    return (words / words.sum(dim=1, keepdim=True)).log(), (cases / cases.sum()).log()
