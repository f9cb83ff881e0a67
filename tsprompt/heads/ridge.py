"""`ridge`: one linear solve, with leave-one-out over the penalty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from tsprompt.heads.base import Head, Labels, heads, standardiser
from tsprompt.part import require, several
from tsprompt.seeds import generator

__all__ = ["Ridge"]

_COLUMNS = 2_048
"""Features that are standardised at once; all others are left as they are."""
_CHOICE_CASES = 1_000
"""Train cases, drawn at random, by which the weight of optional features is chosen."""


@heads.register("ridge")
@dataclass
class Ridge(Head):
    """Ridge regression on one-vs-rest targets of +1 and -1, features standardised.

    The penalty is the one with the least squared leave-one-out error, which the dual solution gives
    for all penalties at once (Golub, Heath and Wahba 1979). So is the weight of the optional
    features, relative to the others. A softmax with one temperature, fitted to the leave-one-out
    scores, makes probabilities of the scores; it is bounded below, so that they are never surer
    than the number of train cases allows.
    """

    low: float = -3.0
    """Smallest penalty tried, as a power of ten."""
    high: float = 5.0
    """Largest penalty tried, as a power of ten."""
    steps: int = 17
    """How many penalties are tried."""
    optional: tuple[float, ...] = (0.0, 0.3, 1.0)
    """Weights tried for the inner products of the optional features; 0 leaves them out."""

    def __post_init__(self) -> None:
        self.optional = several(self.optional)
        require(self.low < self.high and self.steps >= 2, "ridge: low < high and steps >= 2")
        require(min(self.optional, default=-1.0) >= 0, "ridge: optional names weights, 0 or more")

    def fit(
        self,
        features: Tensor,
        labels: Labels,
        n_classes: int,
        seed: int,
        optional: Tensor | None = None,
    ) -> Ridge:
        """Solve; `seed` draws the cases by which the optional features are weighed."""
        targets = torch.full((len(labels), n_classes), -1.0, dtype=torch.float64)
        targets[torch.arange(len(labels)), torch.from_numpy(labels)] = 1.0
        self.mean_, self.unit_ = standardiser(features)
        self.bias_ = targets.mean(dim=0)
        products = self._products(features, optional)
        gram = products[0]
        if len(products) > 1:
            self.optional_ = self._weigh(products, targets, seed)
            gram = gram.add_(products[1], alpha=self.optional_)
        solved = _Solved(gram, targets, self._penalties())
        self.penalty_ = solved.penalty
        self.weights_ = torch.cat(
            [part.T @ solved.dual.to(torch.float32) for _, part in self._standardised(features)]
        )
        if len(products) > 1:
            self.weights_[optional] *= self.optional_
        self._calibrate((targets - solved.residuals).numpy(), labels)
        return self

    def _penalties(self) -> list[float]:
        return [float(one) for one in np.logspace(self.low, self.high, self.steps)]

    def _standardised(self, features: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Features (B, R), standardised, some columns (B, r) at a time: never all of them twice."""
        for start in range(0, features.shape[1], _COLUMNS):
            part = slice(start, start + _COLUMNS)
            yield part, (features[:, part].cpu() - self.mean_[part]) / self.unit_[part]

    def _products(self, features: Tensor, optional: Tensor | None) -> list[Tensor]:
        """Inner products (B, B) of the cases by the features, and by the optional ones alone."""
        chosen = torch.zeros(features.shape[1], dtype=torch.bool) if optional is None else optional
        kinds = [~chosen, chosen] if chosen.any() else [~chosen]
        sums = [torch.zeros(len(features), len(features), dtype=torch.float64) for _ in kinds]
        for part, columns in self._standardised(features):
            for number, kind in enumerate(kinds):
                if kind[part].any():
                    own = columns[:, kind[part]]
                    sums[number] += own @ own.T
        return sums

    def _weigh(self, products: list[Tensor], targets: Tensor, seed: int) -> float:
        """The weight of the optional features with the least leave-one-out error."""
        drawn = generator(seed, "optional").permutation(len(targets))[:_CHOICE_CASES]
        some = torch.from_numpy(np.sort(drawn))
        base, extra = (_centred(product[some][:, some]) for product in products)
        errors = {
            weight: _Solved(base + weight * extra, targets[some], self._penalties()).error
            for weight in self.optional
        }
        return min(errors, key=lambda weight: errors[weight])

    def _calibrate(self, scores: npt.NDArray[np.float64], labels: Labels) -> None:
        rows = np.arange(len(labels))

        def loss(log_temperature: float) -> float:
            chances = _softmax(scores / np.exp(log_temperature))
            return float(-np.log(np.maximum(chances[rows, labels], 1e-12)).mean())

        # Where all of train is told apart, the loss would ask for a temperature of nought, and one
        # wrong test case would cost without bound. So a case whose scores are just the targets, 2
        # apart, is given no more than the rule of succession allows (Laplace 1774).
        coldest = np.log(2 / np.log(len(labels) + 1))
        found = minimize_scalar(loss, bounds=(coldest, max(3.0, coldest + 1)), method="bounded")
        self.temperature_ = float(np.exp(found.x))
        self.validation_loss_ = float(found.fun)
        self.validation_accuracy_ = float((scores.argmax(axis=1) == labels).mean())

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Softmax of the scores at the fitted temperature."""
        scores = self.bias_ + sum(
            (part @ self.weights_[columns]).to(torch.float64)
            for columns, part in self._standardised(features)
        )
        return _softmax(scores.numpy() / self.temperature_)

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return int(self.weights_.numel() + self.bias_.numel())

    def validation_kind(self) -> str:
        """Leave-one-out."""
        return "leave-one-out"


class _Solved:
    """The dual solution of one problem, at the penalty with the least leave-one-out error."""

    def __init__(self, gram: Tensor, targets: Tensor, penalties: list[float]) -> None:
        centred = targets - targets.mean(dim=0)
        values, vectors = torch.linalg.eigh(gram)
        values, rotated = values.clamp(min=0), vectors.T @ centred
        self.error = float("inf")
        for penalty in penalties:
            residuals = _leave_one_out(values, vectors, rotated, penalty)
            error = float(residuals.square().mean())
            if error < self.error:
                self.error, self.penalty, self.residuals = error, penalty, residuals
        self.dual = vectors @ (rotated / (values + self.penalty)[:, None])


def _leave_one_out(values: Tensor, vectors: Tensor, rotated: Tensor, penalty: float) -> Tensor:
    """Residuals (B, C) of each case under the model that never saw it."""
    shrunk = values / (values + penalty)
    fitted = vectors @ (shrunk[:, None] * rotated)
    # The intercept takes 1 / B of every case's own leverage.
    leverage = (vectors.square() @ shrunk) + 1 / len(vectors)
    residual = vectors @ rotated - fitted
    return residual / (1 - leverage).clamp(min=1e-9)[:, None]


def _centred(gram: Tensor) -> Tensor:
    """Inner products of the same cases about their own mean."""
    return gram - gram.mean(dim=0) - gram.mean(dim=1, keepdim=True) + gram.mean()


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
