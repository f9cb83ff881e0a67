"""`mlp`: the MaskModel of the original experiments."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsprompt.base.accelerator import n_numbers, sent, training_device
from tsprompt.base.best_so_far import Best
from tsprompt.base.part import require
from tsprompt.base.scratch import let_go, row_blocks
from tsprompt.base.seeds import seeded_torch
from tsprompt.base.state import Index, numbers
from tsprompt.heads.base import Head, HoldsOut, Perceptron, heads, softmax
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.weighing import cross_entropy, relative, standardiser_of

__all__ = ["MLP"]


@dataclass(frozen=True)
class _Part:
    """Cases that are learned from or validated on; their features stay where they are."""

    features: Tensor
    """(B, R) of all cases."""
    labels: Tensor
    """(B,)"""
    rows: Tensor
    """(n,) which of them these are."""
    weights: Tensor | None
    """(n,)"""

    def some(self, part: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Features (b, R), class numbers (b,), and weights (b,), if there are any."""
        part = sent(part, self.rows.device)
        rows = self.rows[part]
        own = None if self.weights is None else self.weights[part]
        return self.features[rows], self.labels[rows], own


@heads.register("mlp")
@dataclass
class MLP(HoldsOut, Head):
    """A two-layer perceptron: cross-entropy, NAdam (Dozat 2016), early stopping.

    A stratified part of train is held out; the weights of the epoch with the least loss on it are
    kept, and training ends after `patience` epochs without improvement.
    """

    streams: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"epochs": 60, "hidden": 32}

    hidden: int = 128
    """Units of the hidden layer."""
    learning_rate: float = 1e-3
    """Step size of NAdam."""
    epochs: int = 500
    """The most passes over train."""
    patience: int = 30
    """Epochs without improvement after which training ends."""
    batch: int = 32
    """Cases in a step."""
    validation: float = 0.25
    """Share of train that is held out."""

    class State(Head.State):
        """What fitting has learned."""

        mean_: Annotated[Tensor, numbers("float32", "R")]
        unit_: Annotated[Tensor, numbers("float32", "R", above=0)]
        epochs_run_: Index
        weights_: dict[str, Annotated[Tensor, numbers("float32")]]

    def __post_init__(self) -> None:
        require(self.hidden >= 1, "mlp: hidden must be 1 or more")
        require(self.learning_rate > 0, "mlp: learning_rate must be positive")
        require(min(self.epochs, self.patience, self.batch) >= 1, "mlp: counts must be 1 or more")
        require(0 < self.validation < 1, "mlp: validation lies between 0 and 1")

    def module(self, inputs: int, n_classes: int) -> Perceptron:
        """The untrained network."""
        return Perceptron(inputs, self.hidden, n_classes)

    def _fit(self, lesson: Lesson) -> None:
        """Train with early stopping; optional features are features like others."""
        whole, learn, validate = self.held_out(lesson)
        weights, held = (relative(whole.weights, part) for part in (learn, validate))
        features, labels = whole.features.cpu(), torch.from_numpy(whole.labels)
        self.mean_, self.unit_ = standardiser_of(features, torch.from_numpy(learn), weights)
        with seeded_torch(lesson.seed):
            model = self.module(features.shape[1], lesson.n_classes)
            place = training_device(whole.features.device, n_numbers(model), self.batch)
            everything = whole.features.to(place), labels.to(place)
            train, checked = (
                _Part(
                    *everything,
                    sent(rows, place),
                    None if own is None else own.to(place, torch.float32),
                )
                for rows, own in ((learn, weights), (validate, held))
            )
            self._train(model.to(place), train, checked)
        self.judge(whole, validate)

    def _train(self, model: Perceptron, train: _Part, held: _Part) -> None:
        optimiser = torch.optim.NAdam(model.parameters(), lr=self.learning_rate)
        best = Best(model.state_dict(), self.patience)
        self.epochs_run_ = 0
        while self.epochs_run_ < self.epochs and not best.exhausted:
            for part in torch.randperm(len(train.rows)).split(self.batch):
                optimiser.zero_grad()
                features, labels, own = train.some(part)
                cross_entropy(model(self._scaled(features)), labels, own).backward()
                optimiser.step()
            let_go(train.features)
            self.epochs_run_ += 1
            with torch.no_grad():
                scores = self._scores(model, held)
                loss = float(cross_entropy(scores, held.labels[held.rows], held.weights))
            if best.offer(loss):
                best.kept = copy.deepcopy(model.state_dict())
                hits = scores.argmax(dim=1) == held.labels[held.rows]
                self.validation_accuracy_ = float(hits.float().mean())
        self.validation_loss_ = best.loss
        self.weights_: dict[str, Any] = {
            key: value.detach().cpu() for key, value in best.kept.items()
        }

    def _scores(self, model: Perceptron, of: _Part) -> Tensor:
        """(n, C) of all cases of a part."""
        return torch.cat(
            [
                model(self._scaled(of.features[of.rows[part]]))
                for part in row_blocks(of.features, len(of.rows))
            ]
        )

    def _scaled(self, features: Tensor) -> Tensor:
        return (features - sent(self.mean_, features.device)) / sent(self.unit_, features.device)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Softmax of the network's scores."""
        return softmax(self.log_chances(features))

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) what the network gives."""
        first, last = self.weights_["0.weight"], self.weights_["2.weight"]
        with seeded_torch(0):  # its random start is overwritten: leave the caller's numbers alone
            model = Perceptron(first.shape[1], first.shape[0], last.shape[0])
        model.load_state_dict(self.weights_)
        with torch.no_grad():
            scores = [
                model(self._scaled(features[part].cpu())).to(torch.float64)
                for part in row_blocks(features)
            ]
            return np.asarray(torch.cat([torch.empty(0, len(last)), *scores]).numpy())

    @property
    def n_parameters(self) -> int:
        """Weights and biases of both layers."""
        return sum(int(weight.numel()) for weight in self.weights_.values())
