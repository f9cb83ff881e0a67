"""Training with early stopping, for the heads whose start is already an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from tsprompt.base.best_so_far import Best
from tsprompt.heads.base import HoldsOut
from tsprompt.heads.weighing import cross_entropy

__all__ = ["EarlyStopping"]

K = TypeVar("K")
Weighed = tuple[Tensor, Tensor, Tensor | None]
"""What is learned from (b, ...), class numbers (b,), and weights (b,), if there are any."""


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
        teach: Callable[[Tensor, Tensor, Tensor | None], Tensor],
        keep: Callable[[], K],
        train: Weighed,
        held: Weighed,
    ) -> K:
        """Train the model; what `keep` gave in the epoch with the least held-out cross-entropy.

        Parameters
        ----------
        teach
            The loss of some cases, their class numbers and weights.
        """
        x, y, weights = train
        optimiser = torch.optim.NAdam(model.parameters(), lr=self.learning_rate)
        best, self.epochs_run_ = Best(keep(), self.patience), 0
        while self.epochs_run_ <= self.epochs and not best.exhausted:
            with torch.no_grad():
                scores = model(held[0])
                loss = float(cross_entropy(scores, *held[1:]))
            if best.offer(loss):
                best.kept = keep()
                hits = scores.argmax(dim=1) == held[1]
                self.validation_accuracy_ = float(hits.double().mean())
            for part in torch.randperm(len(x)).split(self.batch):
                optimiser.zero_grad()
                own = None if weights is None else weights[part]
                teach(x[part], y[part], own).backward()
                optimiser.step()
            self.epochs_run_ += 1
        self.validation_loss_ = best.loss
        return best.kept
