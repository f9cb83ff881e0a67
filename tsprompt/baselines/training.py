"""How all networks among the baselines are trained: one plain loop."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from tsprompt.base.best_so_far import Best
from tsprompt.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    Labelled = tuple[Tensor, Tensor]
    """Values (B, F, T) and class numbers (B,)."""

__all__ = ["Training", "predict", "train"]

_PREDICTED = 256
"""Cases that are predicted at once."""


@dataclass(frozen=True)
class Training:
    """Adam, and a learning rate that falls where the loss of train does not (Ismail Fawaz et al.
    2019): by half after 50 epochs without improvement, to a tenth at the least."""

    epochs: int
    """The most passes over train."""
    patience: int
    """Epochs without less loss on the held-out part, after which training ends."""
    batch: int
    """Cases in a step at the most."""
    learning_rate: float
    """Step size at the start."""


def train(model: nn.Module, how: Training, learn: Labelled, held: Labelled | None) -> None:
    """Train a model where it lies, and leave it with its best weights, in evaluation mode.

    The best weights are those with the least loss on the held-out part. Where there is none, all
    epochs are run, and the least loss over an epoch's steps decides, as published. Random numbers
    (order of cases, dropout) are torch's global ones.

    Raises
    ------
    ConfigError
        The loss was never a number.
    """
    import torch

    optimiser = torch.optim.Adam(model.parameters(), lr=how.learning_rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.5, patience=50, min_lr=how.learning_rate / 10
    )
    # Without a held-out part no epoch ends training: it takes all of them.
    best: Best[dict[str, Any] | None] = Best(None, how.patience if held is not None else None)
    with _repeatable():
        for _ in range(how.epochs):
            learned = _epoch(model, optimiser, learn, how.batch)
            schedule.step(learned)
            loss = learned if held is None else _loss(model, held)
            if best.offer(loss):
                best.kept = copy.deepcopy(model.state_dict())
            if best.exhausted:
                break
    if best.kept is None:
        raise ConfigError("the loss was never a number; choose a smaller learning_rate")
    model.load_state_dict(best.kept)
    model.eval()


def predict(model: nn.Module, values: Tensor) -> Tensor:
    """Class probabilities (B, C), float64 on the CPU, of values (B, F, T); by evaluation mode."""
    import torch

    device = next(model.parameters()).device
    with torch.no_grad(), _repeatable():
        scores = [model(part.to(device)).cpu() for part in values.split(_PREDICTED)]
    return torch.cat(scores).to(torch.float64).softmax(dim=1)


def _epoch(
    model: nn.Module, optimiser: torch.optim.Optimizer, learn: Labelled, batch: int
) -> float:
    """One pass in steps of about equal size; the mean loss of its cases."""
    import torch
    from torch.nn.functional import cross_entropy

    model.train()
    values, labels = learn
    total = 0.0
    for part in torch.randperm(len(labels)).tensor_split(ceil(len(labels) / batch)):
        optimiser.zero_grad()
        loss = cross_entropy(model(values[part]), labels[part])
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(part)
    return total / len(labels)


def _loss(model: nn.Module, held: Labelled) -> float:
    import torch
    from torch.nn.functional import cross_entropy

    model.eval()
    values, labels = held
    with torch.no_grad():
        losses = [
            cross_entropy(model(part), truth, reduction="sum")
            for part, truth in zip(values.split(_PREDICTED), labels.split(_PREDICTED), strict=True)
        ]
    return float(torch.stack(losses).sum()) / len(labels)


@contextmanager
def _repeatable() -> Iterator[None]:
    """Let cuDNN choose only among algorithms that always give the same sums."""
    import torch

    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before
