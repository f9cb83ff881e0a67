"""What each member of an ensemble sees of the cases, and its features beside the others'."""

from __future__ import annotations

import torch

from tsprompt.combinations import Combination
from tsprompt.data import Cases

__all__ = ["Columns", "Views"]


class Views:
    """What each member sees of some cases, made once."""

    def __init__(self, combination: Combination) -> None:
        self._combination = combination
        self._made: dict[tuple[int, int], tuple[Cases, Cases]] = {}

    def of(self, cases: Cases, member: int) -> Cases:
        """A member's view; the same object, if it is asked for again."""
        key = id(cases), member
        if key not in self._made:
            self._made[key] = cases, self._combination.view(cases, member)
        return self._made[key][1]


class Columns:
    """The features of all readings side by side, on the processor: they exist once."""

    def __init__(self, count: int) -> None:
        self._count, self._filled = count, 0
        self.joined = torch.empty(0)

    def append(self, features: torch.Tensor) -> None:
        """The next reading's features (B, R)."""
        self.put(self._filled, features)

    def put(self, number: int, features: torch.Tensor) -> None:
        """The features (B, R) of the reading of this number, from 0 on."""
        rows, width = features.shape
        if not self._filled:
            self.joined = torch.empty(rows, self._count * width)
        start = number * width
        self.joined[:, start : start + width] = features
        self._filled += 1
