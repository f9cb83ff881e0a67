"""Training with early stopping, for the heads whose start is already an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from tsprompt.base.accelerator import n_numbers, training_device
from tsprompt.base.best_so_far import Best
from tsprompt.heads.base import HoldsOut
from tsprompt.heads.subset import Subset

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
        teach: Callable[[Tensor, Tensor, Tensor | None], Tensor],
        keep: Callable[[], K],
        train: Subset,
        held: Subset,
        *,
        device: torch.device,
    ) -> K:
        """Train the model where it is worth it; what `keep` gave in the epoch with the least
        held-out cross-entropy.

        Parameters
        ----------
        teach
            The loss of some cases, their class numbers and weights.
        device
            The one that was chosen.
        """
        place = training_device(device, n_numbers(model), self.batch)
        model.to(place)
        train, held = train.to(place), held.to(place)
        optimiser = torch.optim.NAdam(model.parameters(), lr=self.learning_rate)
        best, self.epochs_run_ = Best(keep(), self.patience), 0
        while self.epochs_run_ <= self.epochs and not best.exhausted:
            with torch.no_grad():
                loss, accuracy = held.judged(model)
            if best.offer(loss):
                best.kept, self.validation_accuracy_ = keep(), accuracy
            for batch in train.batches(self.batch):
                optimiser.zero_grad()
                teach(*batch).backward()
                optimiser.step()
            self.epochs_run_ += 1
        self.validation_loss_ = best.loss
        return best.kept
