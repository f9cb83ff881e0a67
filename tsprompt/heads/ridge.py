"""`ridge`: solved in closed form, with leave-one-out over the penalty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, NotRequired

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.base.part import require, several
from tsprompt.base.seeds import generator
from tsprompt.base.state import NonNegative, Positive, numbers
from tsprompt.errors import notice
from tsprompt.heads.base import NO_VALIDATION, Head, Linear, heads
from tsprompt.heads.judgement import Judgement
from tsprompt.heads.lesson import Labels, Lesson, seen_elsewhere
from tsprompt.heads.weighing import Weights, as_tensor, mean_of, standardiser

__all__ = ["Ridge"]

_COLUMNS = 2_048
"""Features that are standardised at once; all others are left as they are."""
_CHOICE_CASES = 1_000
"""Train cases, drawn at random, by which the weight of optional features is chosen."""
_EXACT_CASES = 4_000
"""Train cases, drawn at random, by which the penalty and the temperature are chosen. Up to as many
are solved directly, more by conjugate gradients, whose memory grows with the cases, not with their
square."""
_ITERATIONS = 300
"""The most steps of conjugate gradients."""
_TOLERANCE = 1e-3
"""Residual, relative to the targets, at which they end."""


@heads.register("ridge")
@dataclass
class Ridge(Head):
    """Ridge regression on one-vs-rest targets of +1 and -1, features standardised.

    The penalty is the one with the least squared leave-one-out error, which the dual solution gives
    for all penalties at once (Golub, Heath and Wahba 1979). So is the weight of the optional
    features, relative to the others. At most 1,000 train cases, drawn at random, choose the weight,
    and at most 4,000 the penalty. A softmax with one temperature, fitted to the leave-one-out
    scores, makes probabilities of the scores; it is bounded below, so that they are never surer
    than the number of train cases allows. The only case of a class can't be judged by a model that
    has left it out: where a class has but one, a development sample decides the temperature.
    """

    takes_soft: ClassVar[bool] = True

    low: float = -3.0
    """Smallest penalty tried, as a power of ten."""
    high: float = 5.0
    """Largest penalty tried, as a power of ten."""
    steps: int = 17
    """How many penalties are tried."""
    weights: tuple[float, ...] = (0.0, 0.3, 1.0)
    """Weights tried for the inner products of the optional features; 0 leaves them out."""

    class State(Head.State):
        """What fitting has learned."""

        mean_: Annotated[Tensor, numbers("float32", "R")]
        unit_: Annotated[Tensor, numbers("float32", "R", above=0)]
        bias_: Annotated[Tensor, numbers("float64", "K")]
        weights_: Annotated[Tensor, numbers("float32", "R", "K")]
        optional_weight_: NotRequired[NonNegative]
        penalty_: Positive
        temperature_: Positive
        validation_kind_: NotRequired[str]

    def __post_init__(self) -> None:
        self.weights = several(self.weights)
        require(self.low < self.high and self.steps >= 2, "ridge: low < high and steps >= 2")
        require(min(self.weights, default=-1.0) >= 0, "ridge: weights must name some, 0 or more")

    def _fit(self, lesson: Lesson) -> None:
        """Solve; the seed draws the cases that decide, where there are too many for all to.

        Probabilities are targets between -1 and +1; the temperature is fitted to the cases whose
        label is known.
        """
        features, labels, optional = lesson.features.cpu(), lesson.labels, lesson.optional
        targets, counted = _targets(lesson), as_tensor(lesson.train_weights)
        self.mean_, self.unit_ = standardiser(features, counted)
        self.bias_ = mean_of(targets, counted)
        order = self._order(lesson)
        some = order[:_EXACT_CASES].sort().values
        gram, extra = self._products(features, some, optional)
        asked = _Asked.of(lesson, targets, some)
        if extra is not None:
            few = torch.isin(some, order[:_CHOICE_CASES])
            own = _Asked.of(lesson, targets, some[few])
            weighed = gram[few][:, few], extra[few][:, few]
            self.optional_weight_ = self._weigh(*weighed, own)
            gram.add_(extra, alpha=self.optional_weight_)
        solved = _Solved(gram, asked, self._penalties())
        self.penalty_ = solved.penalty
        weights = torch.ones(features.shape[1])
        if extra is not None:
            weights[optional] = self.optional_weight_
        dual = solved.dual
        if len(some) < len(labels):
            dual = self._iterate(features, targets - self.bias_, weights, counted)
        self.weights_ = weights[:, None] * self._combine(features, dual.to(torch.float32))
        self._judge(lesson, some.numpy(), (targets[some] - solved.residuals).numpy())

    def _judge(self, lesson: Lesson, some: Labels, scores: npt.NDArray[np.float64]) -> None:
        """Temperature and validation figures, by the scores (n, C) that some cases (n,) have where
        they are left out."""
        own, groups = lesson.labels[some], lesson.groups
        judged = seen_elsewhere(own, None if groups is None else groups[some])
        unjudged = np.setdiff1d(own[own >= 0], own[judged])
        if lesson.development is not None and len(unjudged):
            features, labels = lesson.development
            scores = self._scores(features)
            self._calibrate(scores, labels, lesson.development_weights)
            self.developed_, self.validation_kind_ = True, "development sample"
            some, own = len(lesson.labels) + np.arange(len(labels)), labels
        elif judged.any():
            counted = lesson.train_weights
            counted = None if counted is None else counted[some][judged]
            self._calibrate(scores[judged], own[judged], counted)
            self.validation_kind_ = "leave-one-out"
            if len(some) < len(lesson.labels):
                self.validation_kind_ += f" on {len(some):,} cases"
        else:
            counted = lesson.train_weights
            self.temperature_ = _coldest(len(own) if counted is None else counted[some].sum())
            self.validation_loss_ = self.validation_accuracy_ = float("nan")
            self.validation_kind_ = NO_VALIDATION
        # The only case of a class is among them: a model that never saw the class misses it.
        known = np.flatnonzero(own >= 0)
        chances = _softmax(scores[known] / self.temperature_)
        self.judged = Judgement(some[known], own[known], chances)

    def _order(self, lesson: Lesson) -> Tensor:
        """Rows in random order; rows of one group together, those with a known label first."""
        rng, labels = generator(lesson.seed, "ridge"), lesson.labels
        if lesson.groups is None:
            order = rng.permutation(len(labels))
        else:
            names, group = np.unique(lesson.groups, return_inverse=True)
            order = np.argsort(rng.permutation(len(names))[group], kind="stable")
        return torch.from_numpy(order[np.argsort(labels[order] < 0, kind="stable")])

    def _penalties(self) -> list[float]:
        return [float(one) for one in np.logspace(self.low, self.high, self.steps)]

    def _standardised(
        self, features: Tensor, rows: Tensor | slice = slice(None)
    ) -> Iterator[tuple[slice, Tensor]]:
        """Features (B, R), standardised, some columns (B, r) at a time: never all of them twice."""
        for start in range(0, features.shape[1], _COLUMNS):
            part = slice(start, start + _COLUMNS)
            yield part, (features[rows, part].cpu() - self.mean_[part]) / self.unit_[part]

    def _combine(self, features: Tensor, dual: Tensor) -> Tensor:
        """Sums (R, C) of the cases' features, weighted by (B, C)."""
        return torch.cat([part.T @ dual for _, part in self._standardised(features)])

    def _products(
        self, features: Tensor, some: Tensor, optional: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Inner products (n, n) of some cases: by the features, and by the optional ones alone."""
        chosen = torch.zeros(features.shape[1], dtype=torch.bool) if optional is None else optional
        kinds = [~chosen, chosen] if chosen.any() else [~chosen]
        sums = [torch.zeros(len(some), len(some), dtype=torch.float64) for _ in kinds]
        rows = slice(None) if len(some) == len(features) else some
        for part, columns in self._standardised(features, rows):
            for number, kind in enumerate(kinds):
                if kind[part].any():
                    own = columns if kind[part].all() else columns[:, kind[part]]
                    sums[number] += own @ own.T
        return sums[0], sums[1] if len(sums) > 1 else None

    def _weigh(self, base: Tensor, extra: Tensor, asked: _Asked) -> float:
        """The weight of the optional features with the least leave-one-out error."""
        if len(self.weights) == 1:
            return self.weights[0]
        errors = {
            weight: _Solved(base + weight * extra, asked, self._penalties()).error
            for weight in self.weights
        }
        return min(errors, key=lambda weight: errors[weight])

    def _iterate(
        self, features: Tensor, centred: Tensor, weights: Tensor, counted: Tensor | None
    ) -> Tensor:
        """The dual solution (B, C) of all cases by conjugate gradients (Hestenes, Stiefel 1952).

        `weights` (R,) are those of the features, `counted` (B,) those of the cases.
        """
        roots = None if counted is None else counted.sqrt()[:, None]
        if roots is not None:
            centred = roots * centred
        solution, residual = torch.zeros_like(centred), centred.clone()
        direction, size = residual.clone(), residual.square().sum(dim=0)
        enough = _TOLERANCE**2 * size
        for step in range(_ITERATIONS):
            progress.report("solving", step, _ITERATIONS)
            if bool((size <= enough).all()):
                break
            image = self.penalty_ * direction
            thin = (direction if roots is None else roots * direction).to(torch.float32)
            for columns, part in self._standardised(features):
                along = part @ (weights[columns, None] * (part.T @ thin))
                image += along if roots is None else roots * along
            rate = size / (direction * image).sum(dim=0).clamp(min=1e-30)
            solution += rate * direction
            residual -= rate * image
            last, size = size, residual.square().sum(dim=0)
            direction = residual + size / last.clamp(min=1e-30) * direction
        else:
            left = float((size / enough).max().sqrt()) * _TOLERANCE
            notice(
                f"ridge: after {_ITERATIONS} steps a share of {left:.1%} of the targets is still "
                "unsolved; the result may be less accurate than it could be"
            )
        progress.report("solving", _ITERATIONS, _ITERATIONS)
        return solution if roots is None else roots * solution

    def _calibrate(
        self, scores: npt.NDArray[np.float64], labels: Labels, counted: Weights | None
    ) -> None:
        """Fit the temperature to scores (n, C) of cases that count so often (n,)."""
        rows = np.arange(len(labels))
        count = len(labels) if counted is None else counted.sum()

        def loss(log_temperature: float) -> float:
            chances = _softmax(scores / np.exp(log_temperature))
            losses = -np.log(np.maximum(chances[rows, labels], 1e-12))
            return float(losses.mean() if counted is None else losses @ counted / count)

        from scipy.optimize import minimize_scalar  # slow to import, and new cases need none

        coldest = np.log(_coldest(count))
        found = minimize_scalar(loss, bounds=(coldest, max(3.0, coldest + 1)), method="bounded")
        self.temperature_ = float(np.exp(found.x))
        self.validation_loss_ = float(found.fun)
        self.validation_accuracy_ = float((scores.argmax(axis=1) == labels).mean())

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Softmax of the scores at the fitted temperature."""
        return _softmax(self.log_chances(features))

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) what the regression gives, over the temperature."""
        return np.asarray(self._scores(features) / self.temperature_)

    def _scores(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C), near +1 for a case's class and -1 for others."""
        scores = self.bias_ + sum(
            (part @ self.weights_[columns]).to(torch.float64)
            for columns, part in self._standardised(features)
        )
        return np.asarray(scores.numpy())

    def linear(self) -> Linear:
        """Its weights, divided by the temperature."""
        cold = 1 / self.temperature_
        return Linear(self.mean_, self.unit_, self.weights_ * cold, self.bias_ * cold)

    validation_kind_ = "leave-one-out"

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return int(self.weights_.numel() + self.bias_.numel())

    def validation_kind(self) -> str:
        """Leave-one-out."""
        return self.validation_kind_


def _targets(lesson: Lesson) -> Tensor:
    """(B, C), +1 for a case's class and -1 for others, or between them by its probabilities."""
    chances = lesson.chances
    if chances is None:
        chances = np.eye(lesson.n_classes)[lesson.labels]
    return 2 * torch.from_numpy(np.asarray(chances, dtype=np.float64)) - 1


@dataclass(frozen=True)
class _Asked:
    """What is asked of n cases: their targets, which go together, and how often each counts."""

    targets: Tensor
    """(n, C)"""
    groups: Labels | None
    """(n,) rows that are left out together; None: each alone."""
    counted: Tensor | None
    """(n,) how often a case counts; None: once."""

    @classmethod
    def of(cls, lesson: Lesson, targets: Tensor, some: Tensor) -> _Asked:
        """What a lesson asks of some of its cases."""
        groups = None if lesson.groups is None else lesson.groups[some.numpy()]
        counted = as_tensor(lesson.train_weights)
        return cls(targets[some], groups, None if counted is None else counted[some])


class _Solved:
    """The dual solution of one problem, at the penalty with the least leave-one-out error.

    A case that counts w times is a row, about the weighted mean, that is multiplied by the root of
    w: its sums of squares are those of w equal rows.
    """

    def __init__(self, gram: Tensor, asked: _Asked, penalties: list[float]) -> None:
        counted = asked.counted
        # Some of the cases have another mean than all, about which features are standardised.
        gram, centred = _centred(gram, counted), asked.targets - mean_of(asked.targets, counted)
        if counted is not None:
            roots = counted.sqrt()[:, None]
            gram, centred = roots * gram * roots.T, roots * centred
        values, vectors = torch.linalg.eigh(gram)
        values, rotated = values.clamp(min=0), vectors.T @ centred
        residuals = [
            _leave_one_out(values, vectors, rotated, penalty, counted)
            if asked.groups is None
            else _leave_group_out(values, vectors, rotated, penalty, asked.groups, counted=counted)
            for penalty in penalties
        ]
        errors = [float(one.square().mean()) for one in residuals]
        best = int(np.argmin(errors))
        self.error, self.penalty, self.residuals = errors[best], penalties[best], residuals[best]
        self.dual = vectors @ (rotated / (values + self.penalty)[:, None])
        if counted is not None:
            self.residuals, self.dual = self.residuals / roots, roots * self.dual


def _leave_one_out(
    values: Tensor,
    vectors: Tensor,
    rotated: Tensor,
    penalty: float,
    counted: Tensor | None = None,
) -> Tensor:
    """Residuals (n, C) of each row under the model that never saw it."""
    shrunk = values / (values + penalty)
    fitted = vectors @ (shrunk[:, None] * rotated)
    # The intercept takes its share of every case's own leverage.
    share = 1 / len(vectors) if counted is None else counted / counted.sum()
    leverage = (vectors.square() @ shrunk) + share
    residual = vectors @ rotated - fitted
    return residual / (1 - leverage).clamp(min=1e-9)[:, None]


def _leave_group_out(
    values: Tensor,
    vectors: Tensor,
    rotated: Tensor,
    penalty: float,
    groups: Labels,
    *,
    counted: Tensor | None = None,
) -> Tensor:
    """Residuals (n, C) of each row under the model that never saw a row of its group (n,)."""
    shrunk = values / (values + penalty)
    residual = vectors @ rotated - vectors @ (shrunk[:, None] * rotated)
    out = torch.empty_like(residual)
    for group in np.unique(groups):
        rows = torch.from_numpy(np.flatnonzero(groups == group))
        own = vectors[rows]
        share: float | Tensor = 1 / len(vectors)
        if counted is not None:
            roots = (counted[rows] / counted.sum()).sqrt()
            share = torch.outer(roots, roots)
        leverage = (own * shrunk) @ own.T + share
        rest = torch.eye(len(rows), dtype=own.dtype) - leverage
        # At a small penalty twins determine each other, and nearly nothing is left of them.
        rest += 1e-9 * torch.eye(len(rows), dtype=own.dtype)
        out[rows] = torch.linalg.solve(rest, residual[rows])
    return out


def _centred(gram: Tensor, counted: Tensor | None = None) -> Tensor:
    """Inner products of the same cases about their own mean."""
    if counted is None:
        return gram - gram.mean(dim=0) - gram.mean(dim=1, keepdim=True) + gram.mean()
    share = counted / counted.sum()
    mean = gram @ share
    return gram - mean - mean[:, None] + share @ mean


def _coldest(count: float) -> float:
    """The least temperature that as many cases allow.

    Where all of them are told apart, the loss would ask for a temperature of nought, and one wrong
    test case would cost without bound. So a case whose scores are just the targets, 2 apart, is
    given no more than the rule of succession allows (Laplace 1774).
    """
    return float(2 / np.log(count + 1))


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
