"""One pattern with a language model of its own, which learns the classes by their words at the
mask (Schick and Schuetze 2021, section 3.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tsprompt import progress
from tsprompt.backbones.template import Prompt
from tsprompt.backbones.trainable_copy import TunedBackbone
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.combinations.soft_labels import Chances
from tsprompt.data import Cases
from tsprompt.heads import Lesson
from tsprompt.heads.verbalizer import Verbalizer
from tsprompt.heads.weighing import cross_entropy
from tsprompt.reading.reader import Reading
from tsprompt.tuners.accumulation import Accumulation, Asked
from tsprompt.tuners.base import Problem
from tsprompt.tuners.case_tokens import CaseTokens
from tsprompt.tuners.masked_loss import masked_loss

__all__ = ["Examples", "PatternModel", "descend", "endless"]

_NORM = 1.0
"""A gradient that is longer is shortened to this."""


@dataclass(frozen=True)
class Examples:
    """What a pattern learns from."""

    cases: Tensor
    """(n,) numbers of cases."""
    labels: Tensor
    """(n,) their class numbers."""
    weights: Tensor | None
    """(n,) how much each counts; None: all alike."""

    @classmethod
    def of(cls, problem: Problem) -> Examples:
        """Train, with its labels."""
        labels = problem.labels[: problem.learn]
        weights = None
        if problem.weights is not None:
            own = problem.weights[: len(labels)]
            weights = torch.from_numpy(own / own.mean())
        return cls(torch.arange(len(labels)), torch.from_numpy(labels), weights)

    def with_more(self, cases: Tensor, labels: Tensor) -> Examples:
        """These and further cases (m,) with labels (m,) that others gave; each counts as the cases
        of its class do on average."""
        weights = self.weights
        if weights is not None:
            own = [weights[self.labels == label].mean() for label in labels.tolist()]
            weights = torch.cat([weights, torch.stack(own)]) if own else weights
        return Examples(torch.cat([self.cases, cases]), torch.cat([self.labels, labels]), weights)


class PatternModel:
    """A pattern, a copy of the language model, and the words of the classes."""

    def __init__(
        self, problem: Problem, prompt: Prompt, verbalizer: Verbalizer, base: TunedBackbone
    ) -> None:
        """Meet the classes; read train as the model was pretrained."""
        own_model = base.anew(problem.seed, speaks=verbalizer.asks_speaker)
        self.verbalizer = verbalizer
        verbalizer.meet(own_model, classes=list(problem.classes))
        self.backbone = own_model.asked(verbalizer.asks)
        self.reader = dataclasses.replace(
            problem.reader, backbone=self.backbone, tokens_run=0, seconds=0.0
        )
        own = dataclasses.replace(problem, reader=self.reader)
        found = own.read(prompt, "pattern")
        self.reading: Reading = found.reading
        labels = problem.labels[: problem.learn]
        features = found.features[: len(labels)]
        lesson = Lesson(features, labels, problem.n_classes, problem.seed)
        self.coach: nn.Module = verbalizer.plain(lesson)
        self.accuracy = float((self.said(features).argmax(axis=1) == labels).mean())
        """On train, before any training: the weight of its word."""

    def said(self, features: Tensor) -> Chances:
        """Scores (B, C) of features (B, R)."""
        with torch.no_grad():
            scores: Tensor = self.coach(features.to(self.backbone.device))
        return scores.cpu().double().numpy()

    def scores(self, cases: Cases) -> Chances:
        """Scores (U, C) of cases."""
        return self.said(self.reader.features(self.reading, cases, "pattern labels"))

    def loss(self, examples: Examples, tokens: CaseTokens) -> Callable[[Tensor], Tensor]:
        """Cross-entropy over the classes' words of some of the examples, by their places (b,)."""

        def of(places: Tensor) -> Tensor:
            rows = tokens.of(examples.cases[places])
            said = self.reader.hidden(rows, self.reading.prompt, self.reading.layers)
            counted = None if examples.weights is None else examples.weights[places]
            scores = self.coach(self.reading.readout.pool(*said))
            truth = examples.labels[places].to(scores.device)
            return cross_entropy(scores, truth, None if counted is None else counted.to(scores))

        return of

    def masked_loss(self, tokens: CaseTokens, share: float) -> Callable[[Tensor], Tensor]:
        """The masked-language loss on some cases (b,)."""
        scorer = self.verbalizer.met_scorer
        return lambda cases: masked_loss(self.reader, self.reading, tokens.of(cases), scorer, share)

    def train(
        self,
        examples: Examples,
        tokens: CaseTokens,
        free: Tensor,
        *,
        steps: int,
        batch: int,
        free_batch: int,
        alpha: float,
        share: float,
        seed: int,
    ) -> None:
        """Fine-tune by (1 - alpha) L_CE + alpha L_MLM (equation 3), from the pretrained weights.

        Parameters
        ----------
        free
            (U,) numbers of the cases that the masked-language loss is of.
        """
        spoken, masked = self.loss(examples, tokens), self.masked_loss(tokens, share)

        def asked(labelled: Tensor, others: Tensor) -> list[Asked]:
            # `descend` takes the mean of what is asked.
            both: list[Asked] = [(labelled, lambda part: 2 * (1 - alpha) * spoken(part))]
            both.append((others, lambda part: 2 * alpha * masked(part)))
            return both if alpha else [(labelled, spoken)]

        with seeded_torch(derive(seed, "training")), self.backbone.learning():
            cases = endless(examples.cases, tokens, batch)
            others = endless(free, tokens, free_batch)
            batches = (asked(places, free[next(others)] if alpha else places) for places in cases)
            groups: list[dict[str, Any]] = [{"params": [*self.backbone.trained.values()]}]
            rate = self.backbone.trained_rate
            descend(groups, rate, batches, steps, "training a pattern's model")

    def costs(self) -> tuple[int, float]:
        """Tokens that it has read, and the seconds that reading took."""
        return self.reader.tokens_run, self.reader.seconds


def endless(cases: Tensor, tokens: CaseTokens, size: int) -> Iterator[Tensor]:
    """Places (b,) among cases (n,) in random batches of one length, again and again."""
    while True:
        yield from tokens.places(cases, size)


def descend(
    groups: Sequence[dict[str, Any]],
    rate: float,
    batches: Iterator[Sequence[Asked]],
    steps: int,
    stage: str,
) -> None:
    """So many steps of AdamW with a rate that falls to nought, each by the mean of what is asked of
    the next batch."""
    optimiser = torch.optim.AdamW(list(groups), lr=rate)
    falling = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    accumulation = Accumulation()
    every = [one for group in optimiser.param_groups for one in group["params"]]
    for step in range(steps):
        accumulation.learn(next(batches), optimiser.zero_grad)
        torch.nn.utils.clip_grad_norm_(every, _NORM)
        optimiser.step()
        falling.step()
        progress.report(stage, step + 1, steps)
