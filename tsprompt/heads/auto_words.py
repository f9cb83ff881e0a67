"""`auto-words`: the words of a class are chosen by what the model says about train."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tsprompt.base.blocks import blocks, mapped
from tsprompt.base.part import require, require_one_of
from tsprompt.errors import ConfigError
from tsprompt.heads.answer import minimise
from tsprompt.heads.base import heads
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.verbalizer import Verbalizer
from tsprompt.heads.weighing import as_tensor, cross_entropy, mean_of, spread_of

__all__ = ["AutoWords"]


@heads.register("auto-words")
@dataclass
class AutoWords(Verbalizer):
    """Words for each class, from data (Shin et al. 2020; Schick et al. 2020).

    ``choice=classifier`` is the selection of label tokens of AutoPrompt (Shin et al. 2020): a
    logistic classifier learns the classes from what the model says at the mask; then each word's
    vector is put in its place, and the words that it takes most clearly for a class are taken.
    ``choice=likelihood`` is that of PETAL (Schick, Schmid and Schuetze 2020): the words with the
    largest ratio of likelihood between a class and the others, one class against the rest.
    """

    words: int = 10
    """How many words a class gets."""
    choice: str = "classifier"
    """`classifier` or `likelihood`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "choice", ("classifier", "likelihood"))
        require(self.words >= 1, "auto-words: words must be 1 or more")

    def choose(self, evidence: Tensor, lesson: Lesson) -> list[list[int]]:
        """The whole words that speak most clearly for each class."""
        n_classes = lesson.n_classes
        if not len(lesson.labels):
            raise ConfigError("auto-words: words can't be chosen without labels; use label-words")
        candidates = torch.tensor(self.vocabulary.plain)
        require(
            len(candidates) >= n_classes * self.words,
            f"auto-words: the vocabulary has {len(candidates)} whole words, too few for "
            f"{n_classes} classes of {self.words}; ask for fewer words",
        )
        rate = {"classifier": self._by_classifier, "likelihood": self._by_likelihood}[self.choice]
        clear = rate(evidence, lesson, candidates)
        return _best(clear, candidates.tolist(), self.words)

    def _by_classifier(self, said: Tensor, lesson: Lesson, candidates: Tensor) -> Tensor:
        """(C, V') how far a classifier of the mask takes each word for a class."""
        labels, n_classes = torch.from_numpy(lesson.labels), lesson.n_classes
        weights = as_tensor(lesson.train_weights)
        exact = mapped(said, lambda some: some.to(torch.float64))
        centre, unit = mean_of(exact, weights), spread_of(exact, weights)
        x = mapped(exact, lambda some: (some - centre) / unit)
        del exact
        size = said.shape[1]

        def split(theta: Tensor) -> tuple[Tensor, Tensor]:
            return theta[:-n_classes].unflatten(0, (size, n_classes)), theta[-n_classes:]

        def loss(theta: Tensor) -> Iterator[Tensor]:
            yield 0.5 * theta[:-n_classes].square().sum()
            for rows, some in blocks(x):
                slopes, bias = split(theta)
                own = None if weights is None else weights[rows]
                yield cross_entropy(some @ slopes + bias, labels[rows], own, total=True)

        start = torch.zeros((size + 1) * n_classes, dtype=torch.float64)
        slopes, bias = split(minimise(loss, start))
        vectors = self.met_scorer.vectors[candidates.to(self.met_scorer.vectors.device)].cpu()
        return _margins((vectors - centre) / unit @ slopes + bias).T

    def _by_likelihood(self, said: Tensor, lesson: Lesson, candidates: Tensor) -> Tensor:
        """(C, V') ratios of likelihood, log q / (1 - q), of the class's cases to the others'."""
        labels, n_classes = torch.from_numpy(lesson.labels), lesson.n_classes
        weights = as_tensor(lesson.train_weights)
        counts = torch.bincount(labels, weights, minlength=n_classes)
        least = 1 if weights is None else float(weights.min())
        counts = counts.clamp(min=least)
        # Each case of a class counts 1, those of the others as much together (Schick et al., 3.2).
        whole = len(labels) if weights is None else float(weights.sum())
        signs = -(counts / (whole - counts).clamp(min=least)).repeat(len(labels), 1)
        signs[torch.arange(len(labels)), labels] = 1.0
        if weights is not None:
            signs = signs * weights[:, None]
        total = torch.zeros(n_classes, len(candidates), dtype=torch.float64)
        for rows, scores in self.scores_of_words(said):
            chances = scores.log_softmax(dim=1)[:, candidates]
            odds = chances - torch.log1p(-chances.exp().clamp(max=1 - 1e-12))
            total += signs[rows].to(torch.float64).T @ odds
        return total


def _margins(scores: Tensor) -> Tensor:
    """How far each score (V', C) exceeds the others: the log odds, which don't saturate."""
    others = [
        scores[:, [other for other in range(scores.shape[1]) if other != own]].logsumexp(dim=1)
        for own in range(scores.shape[1])
    ]
    return scores - torch.stack(others, dim=1)


def _best(clear: Tensor, candidates: list[int], count: int) -> list[list[int]]:
    """The `count` clearest words of each class, none twice; classes take turns."""
    orders = [iter(own.argsort(descending=True, stable=True).tolist()) for own in clear]
    taken: set[int] = set()
    chosen: list[list[int]] = [[] for _ in orders]
    for _ in range(count):
        for own, order in zip(chosen, orders, strict=True):
            word = next(one for one in order if one not in taken)
            taken.add(word)
            own.append(candidates[word])
    return chosen
