"""`ridge`: one linear solve, with leave-one-out over the penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from tsprompt.heads.base import Head, Labels, heads
from tsprompt.part import require

__all__ = ["Ridge"]


@heads.register("ridge")
@dataclass
class Ridge(Head):
    """Ridge regression on one-vs-rest targets of +1 and -1, features standardised.

    The penalty is the one with the least squared leave-one-out error, which the dual solution gives
    for all penalties at once (Golub, Heath and Wahba 1979). A softmax with one temperature, fitted
    to the leave-one-out scores, makes probabilities of the scores; it is bounded below, so that
    they are never surer than the number of train cases allows.
    """

    low: float = -3.0
    """Smallest penalty tried, as a power of ten."""
    high: float = 5.0
    """Largest penalty tried, as a power of ten."""
    steps: int = 17
    """How many penalties are tried."""

    def __post_init__(self) -> None:
        require(self.low < self.high and self.steps >= 2, "ridge: low < high and steps >= 2")

    def fit(self, features: Tensor, labels: Labels, n_classes: int, seed: int) -> Ridge:
        """Solve; `seed` is not used, nothing is random."""
        scaled = self._learn_scale(features.cpu())
        targets = torch.full((len(labels), n_classes), -1.0, dtype=torch.float64)
        targets[torch.arange(len(labels)), torch.from_numpy(labels)] = 1.0
        self.bias_ = targets.mean(dim=0)
        centred = targets - self.bias_
        values, vectors = torch.linalg.eigh((scaled @ scaled.T).to(torch.float64))
        values, rotated = values.clamp(min=0), vectors.T @ centred
        penalties = np.logspace(self.low, self.high, self.steps).tolist()
        residuals = [_leave_one_out(values, vectors, rotated, one) for one in penalties]
        errors = [float(residual.square().mean()) for residual in residuals]
        best = int(np.argmin(errors))
        self.penalty_ = penalties[best]
        dual = vectors @ (rotated / (values + self.penalty_)[:, None])
        self.weights_ = scaled.T @ dual.to(torch.float32)
        self._calibrate((targets - residuals[best]).numpy(), labels)
        return self

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
        scores = (self._scaled(features.cpu()) @ self.weights_).to(torch.float64) + self.bias_
        return _softmax(scores.numpy() / self.temperature_)

    @property
    def n_parameters(self) -> int:
        """Weights and biases."""
        return int(self.weights_.numel() + self.bias_.numel())

    def validation_kind(self) -> str:
        """Leave-one-out."""
        return "leave-one-out"


def _leave_one_out(values: Tensor, vectors: Tensor, rotated: Tensor, penalty: float) -> Tensor:
    """Residuals (B, C) of each case under the model that never saw it."""
    shrunk = values / (values + penalty)
    fitted = vectors @ (shrunk[:, None] * rotated)
    # The intercept takes 1 / B of every case's own leverage.
    leverage = (vectors.square() @ shrunk) + 1 / len(vectors)
    residual = vectors @ rotated - fitted
    return residual / (1 - leverage).clamp(min=1e-9)[:, None]


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
