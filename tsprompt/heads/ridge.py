"""`ridge`: solved in closed form, with leave-one-out over the penalty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, NotRequired, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.base.part import require, several
from tsprompt.base.scratch import row_blocks
from tsprompt.base.seeds import generator
from tsprompt.base.state import NonNegative, Positive, numbers
from tsprompt.heads.base import NO_VALIDATION, Head, Linear, heads
from tsprompt.heads.dual import Asked, Solved
from tsprompt.heads.iterating import Rows, Shortcut, conjugate_gradients
from tsprompt.heads.judgement import Judgement
from tsprompt.heads.lesson import Labels, Lesson, seen_elsewhere
from tsprompt.heads.sums import RidgeSums
from tsprompt.heads.weighing import Weights, as_tensor, mean_of, standardiser

__all__ = ["CHOICE_CASES", "EXACT_CASES", "SUMMED_FEATURES", "Ridge", "targets"]

_COLUMNS = 2_048
"""Features that are standardised at once; all others are left as they are."""
CHOICE_CASES = 1_000
"""Train cases, drawn at random, by which the weight of optional features is chosen."""
EXACT_CASES = 4_000
"""Train cases, drawn at random, by which the penalty and the temperature are chosen. Up to as many
are solved by their inner products; more by sums over them, or by conjugate gradients, neither of
which holds more than some cases at once."""
SUMMED_FEATURES = 8_192
"""The most features whose products are summed up, in 8 bytes for each two: with more, conjugate
gradients take fewer steps and less memory."""
_ITERATIONS = 300
"""The most steps of conjugate gradients."""
_TOLERANCE = 1e-4
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
    takes_sums: ClassVar[bool] = True
    streams: ClassVar[bool] = True

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
        features, some = lesson.features.cpu(), self.deciding(lesson)
        if len(some) == len(features):
            self._solve(lesson, features, some)
        elif features.shape[1] <= SUMMED_FEATURES:
            self.fit_sums(lesson, _summed(lesson, features), features[some])
        else:
            self._iterate(lesson, features, some)

    def _solve(self, lesson: Lesson, features: Tensor, some: Tensor) -> None:
        """Learn from few cases, by their inner products."""
        self._standardise(lesson, features)
        solved = self._decide(lesson, features, some)
        sums = self._combine(features, solved.dual.to(torch.float32))
        self.weights_ = self._feature_weights(lesson)[:, None] * sums
        self._judge(lesson, some, solved)

    def fit_sums(self, lesson: Lesson, sums: RidgeSums, sample: Tensor) -> Self:
        """Learn from sums over all cases, wherever these have been added up.

        Parameters
        ----------
        lesson
            What else is known of the cases; its features are not looked at, but for their number.
        sums
            Of all cases, their `targets` and weights.
        sample
            (n, R) the features of the cases that `deciding` names.
        """
        self.mean_, self.unit_ = sums.standardiser()
        self.bias_ = sums.target_mean
        some = self.deciding(lesson)
        solved = self._decide(lesson, sample, some)
        weights = self._feature_weights(lesson)
        self.weights_ = sums.solve(self.penalty_, weights).to(torch.float32)
        self._judge(lesson, some, solved)
        return self

    def _iterate(self, lesson: Lesson, features: Tensor, some: Tensor) -> None:
        """Learn from many cases with many features, without a table of the features' products."""
        self._standardise(lesson, features)
        sample = features[some]
        solved = self._decide(lesson, sample, some)
        roots = self._feature_weights(lesson).sqrt()
        counted = as_tensor(lesson.train_weights)
        problem = Rows(features, self.mean_, roots / self.unit_, counted)
        shortcut = Shortcut.of(problem.scaled(sample), solved, problem.weight)
        found = conjugate_gradients(
            lambda many: problem.image(many) + self.penalty_ * many,
            problem.sums_with(targets(lesson) - self.bias_),
            shortcut,
            tolerance=_TOLERANCE,
            steps=_ITERATIONS,
        )
        self.weights_ = roots[:, None] * found.to(torch.float32)
        self._judge(lesson, some, solved)

    def _standardise(self, lesson: Lesson, features: Tensor) -> None:
        """Learn means and scales from all cases."""
        counted = as_tensor(lesson.train_weights)
        self.mean_, self.unit_ = standardiser(features, counted)
        self.bias_ = mean_of(targets(lesson), counted)

    def deciding(self, lesson: Lesson) -> Tensor:
        """(n,) the cases by which penalty, temperature and weight are chosen, in order: all, or
        some that are drawn at random."""
        return self._order(lesson)[:EXACT_CASES].sort().values

    def _decide(self, lesson: Lesson, sample: Tensor, some: Tensor) -> Solved:
        """Choose weight and penalty by some cases (n,) with features (n, R)."""
        asked = Asked.of(lesson, targets(lesson), some)
        gram, extra = self._products(sample, lesson.optional)
        if extra is not None:
            few = torch.isin(some, self._order(lesson)[:CHOICE_CASES])
            own = Asked.of(lesson, targets(lesson), some[few])
            weighed = gram[few][:, few], extra[few][:, few]
            self.optional_weight_ = self._weigh(*weighed, own)
            gram.add_(extra, alpha=self.optional_weight_)
        solved = Solved(gram, asked, self._penalties())
        self.penalty_ = solved.penalty
        return solved

    def _feature_weights(self, lesson: Lesson) -> Tensor:
        """(R,) what each feature counts in inner products."""
        weights = torch.ones(lesson.features.shape[1])
        if lesson.optional is not None and lesson.optional.any():
            weights[lesson.optional] = self.optional_weight_
        return weights

    def _judge(self, lesson: Lesson, deciding: Tensor, solved: Solved) -> None:
        """Temperature and validation figures, by the scores (n, C) that some cases (n,) have where
        they are left out."""
        some = deciding.numpy()
        scores = (targets(lesson)[deciding] - solved.residuals).numpy()
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

    def _standardised(self, features: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Features (B, R), standardised, some columns (B, r) at a time: never all of them twice."""
        whole = (features.cpu() - self.mean_) / self.unit_ if len(features) == 1 else None
        for start in range(0, features.shape[1], _COLUMNS):
            part = slice(start, start + _COLUMNS)
            if whole is None:
                yield part, (features[:, part].cpu() - self.mean_[part]) / self.unit_[part]
            else:  # of a single case calls take longer than numbers
                yield part, whole[:, part]

    def _combine(self, features: Tensor, dual: Tensor) -> Tensor:
        """Sums (R, C) of the cases' features, weighted by (B, C)."""
        return torch.cat([part.T @ dual for _, part in self._standardised(features)])

    def _products(self, features: Tensor, optional: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Inner products (n, n) of cases (n, R): by all but the optional features, and by these."""
        chosen = torch.zeros(features.shape[1], dtype=torch.bool) if optional is None else optional
        kinds = [~chosen, chosen] if chosen.any() else [~chosen]
        sums = [torch.zeros(len(features), len(features), dtype=torch.float64) for _ in kinds]
        for part, columns in self._standardised(features):
            for number, kind in enumerate(kinds):
                if kind[part].any():
                    own = columns if kind[part].all() else columns[:, kind[part]]
                    sums[number] += own @ own.T
        return sums[0], sums[1] if len(sums) > 1 else None

    def _weigh(self, base: Tensor, extra: Tensor, asked: Asked) -> float:
        """The weight of the optional features with the least leave-one-out error."""
        if len(self.weights) == 1:
            return self.weights[0]
        errors = {
            weight: Solved(base + weight * extra, asked, self._penalties()).error
            for weight in self.weights
        }
        return min(errors, key=lambda weight: errors[weight])

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
        scores = [self._scores_of(features[rows]) for rows in row_blocks(features)]
        return np.asarray(torch.cat([self.bias_.new_empty(0, len(self.bias_)), *scores]).numpy())

    def _scores_of(self, features: Tensor) -> Tensor:
        """The same of cases that are few."""
        scores: Tensor = self.bias_ + sum(
            (part @ self.weights_[columns]).to(torch.float64)
            for columns, part in self._standardised(features)
        )
        return scores

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


def targets(lesson: Lesson) -> Tensor:
    """(B, C), +1 for a case's class and -1 for others, or between them by its probabilities."""
    chances = lesson.chances
    if chances is None:
        chances = np.eye(lesson.n_classes)[lesson.labels]
    return 2 * torch.from_numpy(np.asarray(chances, dtype=np.float64)) - 1


def _summed(lesson: Lesson, features: Tensor) -> RidgeSums:
    """The sums over all cases."""
    aims, counted = targets(lesson), as_tensor(lesson.train_weights)
    sums = RidgeSums(features.shape[1], aims.shape[1])
    for rows in row_blocks(features):
        sums.add(features[rows], aims[rows], None if counted is None else counted[rows])
        progress.report("adding up", min(rows.stop, len(features)), len(features))
    return sums


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
