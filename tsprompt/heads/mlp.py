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
from tsprompt.base.blocks import collected
from tsprompt.base.part import require
from tsprompt.base.seeds import seeded_torch
from tsprompt.base.state import Index, numbers
from tsprompt.heads.base import Head, HoldsOut, Perceptron, heads, softmax
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.subset import Subset
from tsprompt.heads.weighing import cross_entropy, relative, standardiser_of

__all__ = ["MLP"]


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
        features, labels = whole.features, torch.from_numpy(whole.labels)
        some, others = torch.from_numpy(learn), torch.from_numpy(validate)
        mean, unit = standardiser_of(features, some, weights)
        self.mean_, self.unit_ = mean.cpu(), unit.cpu()
        with seeded_torch(lesson.seed):
            model = self.module(features.shape[1], lesson.n_classes)
            place = training_device(features.device, n_numbers(model), self.batch)
            train = Subset(features, labels, some, weights).to(place)
            # One copy of the features there serves both.
            checked = Subset(train.features, labels, others, held).to(place)
            self._train(model.to(place), train, checked)
        self.judge(whole, validate)

    def _train(self, model: Perceptron, train: Subset, held: Subset) -> None:
        optimiser = torch.optim.NAdam(model.parameters(), lr=self.learning_rate)
        best = Best(model.state_dict(), self.patience)
        self.epochs_run_ = 0
        while self.epochs_run_ < self.epochs and not best.exhausted:
            for features, labels, own in train.batches(self.batch):
                optimiser.zero_grad()
                cross_entropy(model(self._scaled(features)), labels, own).backward()
                optimiser.step()
            self.epochs_run_ += 1
            with torch.no_grad():
                loss, accuracy = held.judged(lambda some: model(self._scaled(some)))
            if best.offer(loss):
                best.kept, self.validation_accuracy_ = copy.deepcopy(model.state_dict()), accuracy
        self.validation_loss_ = best.loss
        self.weights_: dict[str, Any] = {
            key: value.detach().cpu() for key, value in best.kept.items()
        }

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
            scores = collected(features, lambda some: model(self._scaled(some.cpu())))
            return np.asarray(scores.to(torch.float64).numpy())

    @property
    def n_parameters(self) -> int:
        """Weights and biases of both layers."""
        return sum(int(weight.numel()) for weight in self.weights_.values())
