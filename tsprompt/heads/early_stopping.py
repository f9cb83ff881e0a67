"""Training with early stopping, for the heads whose start is already an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from tsprompt.base.accelerator import n_numbers, sent, training_device
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
        (x, y, weights), (asked, truth, counted) = _moved(train, place), _moved(held, place)
        optimiser = torch.optim.NAdam(model.parameters(), lr=self.learning_rate)
        best, self.epochs_run_ = Best(keep(), self.patience), 0
        while self.epochs_run_ <= self.epochs and not best.exhausted:
            with torch.no_grad():
                scores = model(asked)
                loss = float(cross_entropy(scores, truth, counted))
            if best.offer(loss):
                best.kept = keep()
                hits = scores.argmax(dim=1) == truth
                self.validation_accuracy_ = float(hits.cpu().double().mean())
            for drawn in torch.randperm(len(x)).split(self.batch):
                part = sent(drawn, place)
                optimiser.zero_grad()
                own = None if weights is None else weights[part]
                teach(x[part], y[part], own).backward()
                optimiser.step()
            self.epochs_run_ += 1
        self.validation_loss_ = best.loss
        return best.kept


def _moved(part: Weighed, place: torch.device) -> Weighed:
    x, y, weights = part
    if weights is not None and place.type != "cpu":  # mps has no float64
        weights = weights.to(place, torch.float32)
    return x.to(place), y.to(place), weights
