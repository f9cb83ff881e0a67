"""Cases that a head learns from or validates on, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.base.blocks import at_once, read
from tsprompt.base.scratch import let_go, row_blocks, scratch_of
from tsprompt.heads.weighing import cross_entropy

__all__ = ["Subset"]


@dataclass(frozen=True)
class Subset:
    """Some cases of a table; their features stay where they are."""

    features: Tensor
    """(B, ...) of all cases."""
    labels: Tensor
    """(B,)"""
    rows: Tensor
    """(n,) which of them these are."""
    weights: Tensor | None = None
    """(n,)"""

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, place: torch.device) -> Subset:
        """The same for what is trained at another place. Features in memory move there now, those
        in a file when they are read."""
        features = self.features if scratch_of(self.features) else sent(self.features, place)
        weights = self.weights
        if weights is not None and place.type != "cpu":  # mps has no float64
            weights = weights.to(torch.float32)
        return Subset(
            features,
            sent(self.labels, place),
            sent(self.rows, features.device),
            None if weights is None else sent(weights, place),
        )

    def some(self, part: Tensor | slice) -> tuple[Tensor, Tensor, Tensor | None]:
        """Features (b, ...), class numbers (b,), and weights (b,), if there are any."""
        place = self.labels.device
        rows = self.rows[_at(part, self.rows.device)]
        own = None if self.weights is None else self.weights[_at(part, place)]
        return sent(read(self.features, rows), place), self.labels[sent(rows, place)], own

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """All of them in random order, so many at a time."""
        for drawn in torch.randperm(len(self)).split(size):
            yield self.some(drawn)
        let_go(self.features)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """All of them in order, as many at a time as memory should hold."""
        whole = [slice(None)] if at_once(self.features) else row_blocks(self.features, len(self))
        for part in whole:
            yield self.some(part)

    def judged(self, model: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        """Loss and accuracy of a model that gives scores (b, C)."""
        parts = [(model(x), y) for x, y, _ in self.blocks()]
        scores, truth = torch.cat([one for one, _ in parts]), torch.cat([one for _, one in parts])
        hits = scores.argmax(dim=1) == truth
        loss = float(cross_entropy(scores, truth, self.weights))
        return loss, float(hits.cpu().double().mean())


def _at(part: Tensor | slice, device: torch.device) -> Tensor | slice:
    return sent(part, device) if isinstance(part, Tensor) else part
