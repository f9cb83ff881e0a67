"""What a model is to say: one word at the mask, a span of masks, given texts, or a text of its own.

By itself a template has one place for the answer. A head that tells classes by texts of several
words asks for more; `Backbone.asked` gives a backbone that says them.

| letter | counts |
|---|---|
| M | states that are read of an answer |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ONE_WORD", "Listen", "Spoken"]

Listen = Callable[[list[int] | Tensor], list[Tensor]]


@dataclass(frozen=True)
class Spoken:
    """How the answer is given."""

    masks: int = 1
    """Of a model that fills masks: how many stand side by side."""
    texts: tuple[tuple[int, ...], ...] = ()
    """Of one that writes: the ids of texts whose words it is to foretell, each from those before
    it (teacher forcing). One state for each word of each text, text after text."""
    writes: int = 0
    """Of one that writes: how many words it writes freely, each the likeliest; a state for each."""
    speak: Callable[[Tensor], Tensor] | None = None
    """The likeliest words (b,), ids, of states (b, D); for one that `writes`."""

    @property
    def alone(self) -> bool:
        """Whether it is one word in one place, as where nobody asks for more."""
        return self == ONE_WORD

    @property
    def read(self) -> int:
        """M."""
        if self.texts:
            return sum(map(len, self.texts))
        return self.writes or self.masks

    @property
    def room(self) -> int:
        """Positions that it takes of those that the model can read, beside the one that each answer
        takes."""
        longest = max(map(len, self.texts), default=1)
        return max(longest, self.writes, self.masks) - 1

    @property
    def key(self) -> tuple[int, tuple[tuple[int, ...], ...], int]:
        """What tells two ways to answer apart."""
        return self.masks, self.texts, self.writes

    def heard(self, listen: Listen) -> list[Tensor]:
        """The states (b, M, D) for each layer that is read, of a model that writes.

        Parameters
        ----------
        listen
            What the model says, (b, n + 1, D) for each layer that is read and at last for the one
            in which it speaks, when n words follow what it has read: ids, the same for all rows,
            or (b, n).
        """
        parts = [listen(list(text[:-1]))[:-1] for text in self.texts] or [self._written(listen)]
        return [torch.cat(own, dim=1) for own in zip(*parts, strict=True)]

    def _written(self, listen: Listen) -> list[Tensor]:
        assert self.speak is not None, "whoever writes has a word for each state"
        said = listen([])
        words = self.speak(said[-1][:, -1])[:, None]
        for _ in range(self.writes - 1):
            said = listen(words)
            words = torch.cat([words, self.speak(said[-1][:, -1])[:, None]], dim=1)
        return said[:-1]


ONE_WORD = Spoken()
"""What is asked by itself."""
