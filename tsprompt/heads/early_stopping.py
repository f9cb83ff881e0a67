"""Training with early stopping, for the heads whose start is already an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.heads.base import HoldsOut

__all__ = ["EarlyStopping"]

K = TypeVar("K")


class EarlyStopping(HoldsOut):
    """NAdam until the held-out loss no longer falls; the start counts as a first epoch."""

    learning_rate: float
    epochs: int
    patience: int
    batch: int
    validation_loss_: float
    validation_accuracy_: float

    def _descend(
        self,
        model: nn.Module,
        teach: Callable[[Tensor, Tensor], Tensor],
        keep: Callable[[], K],
        train: tuple[Tensor, Tensor],
        held: tuple[Tensor, Tensor],
    ) -> K:
        """Train the model; what `keep` gave in the epoch with the least held-out cross-entropy.

        Parameters
        ----------
        teach
            The loss of some cases and their class numbers.
        """
        optimiser = torch.optim.NAdam(model.parameters(), lr=self.learning_rate)
        best, waited = keep(), 0
        self.validation_loss_, self.epochs_run_ = float("inf"), 0
        while self.epochs_run_ <= self.epochs and waited < self.patience:
            with torch.no_grad():
                scores = model(held[0])
                loss = float(functional.cross_entropy(scores, held[1]))
            waited += 1
            if loss < self.validation_loss_:
                best, waited, self.validation_loss_ = keep(), 0, loss
                hits = scores.argmax(dim=1) == held[1]
                self.validation_accuracy_ = float(hits.double().mean())
            for part in torch.randperm(len(train[0])).split(self.batch):
                optimiser.zero_grad()
                teach(train[0][part], train[1][part]).backward()
                optimiser.step()
            self.epochs_run_ += 1
        return best
