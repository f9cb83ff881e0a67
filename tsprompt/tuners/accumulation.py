"""Training on as many cases at once as memory holds, in steps that stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from tsprompt.backbones import batches
from tsprompt.errors import Setting, TspromptError, notice

__all__ = ["Accumulation", "Asked"]

T = TypeVar("T")
Asked = tuple[Tensor, Callable[[Tensor], Tensor]]
"""Numbers of cases (b,), and what gives the mean loss of some of them."""


class Accumulation:
    """Losses of batches and their gradients, in smaller pieces where memory runs out.

    The mean loss of a batch is the mean over its pieces, by their cases, and so is its gradient:
    nothing in training looks from one case at another, so that the step is the same.
    """

    def __init__(self) -> None:
        self.most: int | None = None
        """Cases that are read at once; None: all of a batch."""

    def learn(self, asked: Sequence[Asked], start: Callable[[], None]) -> Tensor | None:
        """Add up the gradients of the mean of some batches' losses.

        Parameters
        ----------
        start
            Lets go of the gradients that there are.

        Returns
        -------
        The mean loss; None if none of the batches has anything to learn.

        Raises
        ------
        TspromptError
            Memory runs out with a single case.
        """
        return self._as_it_fits(asked, partial(self._learn, asked, start))

    def measure(self, asked: Asked) -> Tensor:
        """The mean loss of a batch, without gradients.

        Raises
        ------
        TspromptError
            Memory runs out with a single case.
        """
        return self._as_it_fits([asked], partial(self._measure, asked))

    def _learn(self, asked: Sequence[Asked], start: Callable[[], None]) -> Tensor | None:
        start()
        total = None
        for one in asked:
            for share, loss in self._losses(one):
                if loss.requires_grad:
                    own = loss * (share / len(asked))
                    own.backward()
                    total = own.detach() + (0.0 if total is None else total)
        return total

    def _measure(self, asked: Asked) -> Tensor:
        with torch.no_grad():
            return torch.stack([share * loss for share, loss in self._losses(asked)]).sum()

    def _losses(self, asked: Asked) -> Iterator[tuple[float, Tensor]]:
        """Share and mean loss of one piece after another: none is held beside the next."""
        part, loss = asked
        for piece in part.split(self.most or len(part)):
            yield len(piece) / len(part), loss(piece)

    def _as_it_fits(self, asked: Sequence[Asked], step: Callable[[], T]) -> T:
        largest = max(len(part) for part, _ in asked)
        while (done := batches.attempt(step)) is None:
            self._halve(min(largest, self.most or largest))
        return done.answer

    def _halve(self, cases: int) -> None:
        if cases == 1:
            raise TspromptError(
                "memory ran out in training with a single case; use checkpoint=true of the tuner, "
                "fewer steps (for example ",
                Setting("tokenizer", "kernels:steps=32"),
                "), a smaller backbone or another device",
            )
        first, self.most = self.most is None, cases // 2
        batches.release()
        if first:
            notice(
                f"memory ran out in training with {cases} cases at once; going on with fewer, "
                "whose gradients are added up: a step stays what it was"
            )
