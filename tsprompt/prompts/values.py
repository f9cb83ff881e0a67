"""Prompts that are real values mapped to vocabulary ids, as in the original experiments."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.prompts.base import PromptModule, normal_to_ids

__all__ = ["ValuesModule"]


class ValuesModule(PromptModule):
    """P prompt values, each rounded to the vocabulary entry that it falls on.

    Rounding and lookup block the gradient: the vectors depend on the values, and autograd does not
    see it. With `straight_through` the rounding counts as the identity (Bengio et al. 2013) and an
    embedding as lying on the line between the two entries beside its place, so that a gradient
    reaches the values; what the model reads is the same.
    """

    def __init__(
        self, backbone: Backbone, before: int, mask: int, *, straight_through: bool
    ) -> None:
        super().__init__()
        self.word_vectors = backbone.word_vectors
        self.before, self.mask = before, mask
        self.straight_through = straight_through

    @abstractmethod
    def values(self) -> Tensor:
        """(P,) prompt values, about standard normal."""

    def forward(self) -> Prompt:
        """Ids (P,) and their word embeddings (P, D)."""
        place = normal_to_ids(self.values(), len(self.word_vectors))
        there = place.detach().nan_to_num()  # after a diverged step; what is learned of it is NaN
        ids = there.round().long()
        vectors = self.word_vectors[ids]
        if self.straight_through:
            left = there.floor().long().clamp(max=len(self.word_vectors) - 2)
            slope = self.word_vectors[left + 1] - self.word_vectors[left]
            vectors = vectors + (place - place.detach())[:, None] * slope
        return Prompt(ids=ids, vectors=vectors, before=self.before, mask=self.mask)
