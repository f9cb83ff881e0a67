"""The best of what a search has come by so far, and how long it has waited for a better one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Best"]

K = TypeVar("K")


@dataclass
class Best(Generic[K]):
    """What had the least loss; of equal losses the first. A loss that is no number is never less.

    For whatever is tried in turn, epochs of training or prompts. Where `offer` says that a try did
    best, the caller puts what is to be kept in ``kept``, so that weights are copied then only.
    """

    kept: K
    """What is kept: at first what there is before any try, and what stays if none is any good."""
    patience: int | None = None
    """Tries without improvement after which the search ends; None: it never gives up."""
    loss: float = float("inf")
    """That of what is kept."""
    waited: int = 0
    """Tries since then."""

    def __post_init__(self) -> None:
        self.loss = self.loss if self.loss < float("inf") else float("inf")

    def offer(self, loss: float) -> bool:
        """One more try; whether its loss is the least so far."""
        self.waited += 1
        if not loss < self.loss:
            return False
        self.loss, self.waited = loss, 0
        return True

    @property
    def exhausted(self) -> bool:
        """Whether patience has come to its end."""
        return self.patience is not None and self.waited >= self.patience

    @property
    def improved(self) -> bool:
        """Whether any try had a finite loss."""
        return self.loss < float("inf")
