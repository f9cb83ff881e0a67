"""Readouts: hidden states become the features (B, R) that the head sees.

A readout is given what the language model said at the data tokens and at the mask, layer by layer:
data (b, N', K, D) and mask (b, N', M, D), N' layers. With ``scope="series"`` K counts all data
tokens and M is 1; with ``scope="step"`` the S mask vectors of a case are both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, NotRequired

import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.base.part import Part, require, several
from tsprompt.base.registry import Registry
from tsprompt.base.state import Index

__all__ = ["Readout", "readouts"]

readouts: Registry[Readout] = Registry("readout")


@dataclass
class Readout(Part):
    """Reads one layer or several."""

    layers: tuple[int, ...] | None = None
    """Layers to read: 1 is the first, -1 the last, 0 the embeddings as they enter the first; None:
    what the readout uses by itself."""
    n_optional_ = 0
    """How many features, the last ones, a set may do better without."""

    reads_words: ClassVar[bool] = False
    """Whether it needs a context that brings words."""
    needs_texts: ClassVar[bool] = False
    """Whether it compares pictures with texts, as a CLIP was trained to."""

    class State(Part.State):
        """What fitting has learned."""

        n_optional_: NotRequired[Index]

    @property
    def pools_as(self) -> Hashable:
        """Readouts for which this is equal, and not None, make the same features of the same."""
        return None

    @property
    def reads_answer(self) -> bool:
        """Whether it looks at what stands at the mask."""
        return True

    @property
    def asks_speaker(self) -> bool:
        """Whether it asks the model's own head for masked words."""
        return False

    @property
    def reads_data(self) -> bool:
        """Whether it looks at the data tokens."""
        return True

    def __post_init__(self) -> None:
        if self.layers is not None:
            self.layers = several(self.layers)
        require(
            self.layers is None or len(self.layers) > 0, f"{self.name}: layers must name one layer"
        )

    def optional(self, width: int) -> Tensor:
        """Which of R features a set may do better without: (R,)."""
        return torch.arange(width) >= width - self.n_optional_

    def default_layers(self, total: int) -> tuple[int, ...]:
        """Which of `total` layers to read where `layers` is None."""
        return (total,)

    def choose_layers(self, total: int) -> tuple[int, ...]:
        """The layers that are read of a backbone with `total` of them, counted from 1.

        Raises
        ------
        ConfigError
            The backbone has no such layer.
        """
        if total == 0:
            return (0,)
        chosen = self.layers if self.layers is not None else self.default_layers(total)
        for layer in chosen:
            require(
                -total <= layer <= total,
                f"{self.name}: there is no layer {layer}; the backbone has layers 0 to {total}",
            )
        return tuple(layer if layer >= 0 else total + 1 + layer for layer in chosen)

    def meet(self, backbone: Backbone, *, words: Tensor | None) -> None:
        """Get to know the language model and the words (Q,) that the context brings, before `fit`
        and after `restore`.
        """

    def fit(self, data: Tensor) -> Readout:
        """Learn from tokens (n, N', D) of train what pooling needs."""
        return self

    def divides(self, scope: str) -> bool:
        """Whether its features are sums over the data tokens, for a model that reads so."""
        return False

    def divide(self, data: Tensor, mask: Tensor, mean: Tensor, weights: Tensor) -> Tensor:
        """What each data token adds to scores that are linear in the features: (b, K, C).

        Its sum over the tokens is ``(pool(data, mask) - mean) @ weights``.

        Parameters
        ----------
        data, mask
            (b, N', K, D) and (b, N', M, D).
        mean
            (R,) features that nothing is added for.
        weights
            (R, C).
        """
        raise NotImplementedError(f"the features of {self.name!r} are no sums over the tokens")

    @abstractmethod
    def pool(self, data: Tensor, mask: Tensor) -> Tensor:
        """Features (b, R) of data (b, N', K, D) and mask (b, N', M, D)."""
