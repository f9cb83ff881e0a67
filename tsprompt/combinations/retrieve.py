"""`retrieve`: beside what the head says, the nearest train cases are asked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.base.blocks import blocks, mapped, read
from tsprompt.base.part import require
from tsprompt.base.state import Between, Count, Positive, numbers
from tsprompt.combinations.base import Combination, Evidence, combinations
from tsprompt.heads import Head, Judgement
from tsprompt.heads.datastore import (
    Neighbours,
    counted_of,
    counts_up_to,
    deciding,
    log_loss,
    nearest,
)

__all__ = ["Retrieve"]

_TEMPERATURES = (0.1, 0.3, 1.0, 3.0)
"""Temperatures that are tried, in units of how far a train case is from its nearest."""
_WEIGHTS = tuple(number / 10 for number in range(11))
_ASKED = 256
"""Cases whose distances exist at once."""
_UNSURE = 0.5
"""The neighbours' weight where no case can say which is better."""


@combinations.register("retrieve")
@dataclass
class Retrieve(Combination):
    """Retrieval beside a prompt's answer, as RetroPrompt predicts (Chen et al. 2022).

    What the head sees of a train case, under the prompt, is its key in a datastore, and its class
    the value. Of a new case the nearest keys vote, P_kNN(c) in proportion to the sum of exp(-d /
    temperature) over the neighbours of class c, d the squared Euclidean distance, and

        P = weight * P_kNN + (1 - weight) * P_head.

    The weight, the number of neighbours and the temperature are those with the least loss on the
    cases of train that the head had not learned from when it spoke of them, or on 4,000 of these
    that are drawn at random: a case that is left out is not its own neighbour. Where there are
    none, both count alike. The features of all prompts stand side by side under one head, as with
    `concatenate`.
    """

    needs_cases: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    neighbours: int | None = None
    """How many train cases vote; None: chosen inside train, of 1, 3, 7, 15 and 31."""
    temperature: float | None = None
    """What distances are divided by; None: chosen inside train."""
    weight: float | None = None
    """Share of the neighbours in the answer, from 0 to 1; None: chosen inside train, by tenths."""

    class State(Combination.State):
        """What fitting has learned."""

        keys_: Annotated[Tensor, numbers("float32|float64", "B", "R")]
        labels_: Annotated[Tensor, numbers("int64", "B", least=0, below="C")]
        counted_: Annotated[Tensor, numbers("float64", "B", above=0)]
        neighbours_: Count
        temperature_: Positive
        weight_: Annotated[float, Between(float, least=0, most=1)]

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = self.neighbours is None or self.neighbours >= 1
        require(counts, "retrieve: neighbours must be 1 or more")
        warm = self.temperature is None or self.temperature > 0
        require(warm, "retrieve: temperature must be positive")
        require(self.weight is None or 0 <= self.weight <= 1, "retrieve: weight lies from 0 to 1")

    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Fit the head, keep train, and choose how both are joined."""
        fitted = head.fresh().fit(evidence.lesson(seed))
        self._keep([fitted])
        self.keys_ = mapped(evidence.features, lambda some: some.cpu().clone())
        self.labels_ = torch.from_numpy(evidence.labels)
        weights, count = evidence.weights, len(self.labels_)
        self.counted_ = counted_of(None if weights is None else weights[:count], count)
        known = fitted.judged
        self._joined_on(evidence, None if known is None else _some_of(known, seed))

    def _joined_on(self, evidence: Evidence, known: Judgement | None) -> None:
        """Choose what is left open by what the head said of cases that it had not learned from."""
        self._judged: Judgement | None = None
        counts = counts_up_to(len(self.labels_) - 1, self.neighbours)
        if known is None or not len(known.rows):
            self.neighbours_ = counts[0]
            self.temperature_ = self.temperature or 1.0
            self.weight_ = _UNSURE if self.weight is None else self.weight
            return
        found, weights = self._among(evidence, known), evidence.weights
        own = None if weights is None else weights[known.rows]
        said, tried = torch.from_numpy(known.chances), {}
        shares = _WEIGHTS if self.weight is None else (self.weight,)
        for k, warmth in itertools.product(counts, self._temperatures(found)):
            votes = _heard(found.softly(k, warmth), said)
            for share in shares:
                joined = share * votes + (1 - share) * said
                tried[share, k, warmth] = log_loss(joined, known.labels, own)
        # Where several are as good, the one that asks the neighbours the least.
        best = min(tried, key=lambda one: (tried[one], one))
        self.weight_, self.neighbours_, self.temperature_ = share, k, warmth = best
        self.validation_loss_ = tried[best]
        joined = share * _heard(found.softly(k, warmth), said) + (1 - share) * said
        self._judged = Judgement(known.rows, known.labels, joined.numpy())
        right = joined.argmax(dim=1).numpy() == known.labels
        self.validation_accuracy_ = float(right.mean())

    def _among(self, evidence: Evidence, known: Judgement) -> Neighbours:
        """The neighbours of the cases that are known of; of one of train, none is itself."""
        tables, starts = [evidence.features], [0]
        if evidence.development is not None:
            tables.append(evidence.development[0])
            starts.append(len(self.labels_))
        cases, found = np.arange(len(self.labels_)), []
        for start in range(0, len(known.rows), _ASKED):
            rows = known.rows[start : start + _ASKED]
            which = np.searchsorted(starts, rows, side="right") - 1
            asked = torch.empty(len(rows), self.keys_.shape[1])
            for number, (table, first) in enumerate(zip(tables, starts, strict=True)):
                own = torch.from_numpy(which == number)
                there = torch.from_numpy(rows[which == number] - first)
                asked[own] = read(table, there.to(table.device)).to(asked)
            excluded = torch.from_numpy(rows)[:, None] == torch.from_numpy(cases)
            found.append(self._nearest(asked, evidence.n_classes, excluded))
        return Neighbours.joined(found)

    def _temperatures(self, found: Neighbours) -> tuple[float, ...]:
        """Those to choose from."""
        if self.temperature is not None:
            return (self.temperature,)
        unit = float(found.distances[:, 0].median())
        return tuple(one * (unit if unit > 0 else 1.0) for one in _TEMPERATURES)

    def _nearest(
        self, features: Tensor, n_classes: int, excluded: Tensor | None = None
    ) -> Neighbours:
        """The nearest train cases of features (b, R)."""
        asked = features.to("cpu", torch.float64)
        far = (
            torch.cdist(
                asked,
                some.to(torch.float64),
                # The other way takes a small difference of large numbers.
                compute_mode="donot_use_mm_for_euclid_dist",
            ).square()
            for _, some in blocks(self.keys_)
        )
        return nearest(far, self.labels_, n_classes, self.counted_, excluded)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Both answers, weighed."""
        said = torch.from_numpy(self.heads_[0].probabilities(features))
        parts = []
        for start in range(0, len(features), _ASKED):
            rows = slice(start, start + _ASKED)
            found = self._nearest(read(features, rows), said.shape[1])
            votes = _heard(found.softly(self.neighbours_, self.temperature_), said[rows])
            parts.append(self.weight_ * votes + (1 - self.weight_) * said[rows])
        return np.asarray(torch.cat([said[:0], *parts]).numpy())

    def judged(self, evidence: Evidence) -> Judgement | None:
        """What both said together of the cases that the head had left out."""
        return self._judged

    def report(self) -> dict[str, Any]:
        """What was chosen."""
        return {
            "neighbours": float(self.neighbours_),
            "temperature of their distances": self.temperature_,
            "weight of the neighbours": self.weight_,
        }

    @property
    def n_parameters(self) -> int:
        """Those of the head, and the entries of the datastore."""
        return super().n_parameters + self.keys_.numel()


def _heard(votes: Tensor, said: Tensor) -> Tensor:
    """(b, C) the votes; what the head said (b, C) where no neighbour has one."""
    return votes.where(votes.sum(dim=1, keepdim=True) > 0, said)


def _some_of(known: Judgement, seed: int) -> Judgement:
    """What was said of at most 4,000 cases, drawn at random: so many choose."""
    some = deciding(np.arange(len(known.rows)), seed, Retrieve.name)
    return Judgement(known.rows[some], known.labels[some], known.chances[some])
