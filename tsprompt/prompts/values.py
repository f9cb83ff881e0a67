"""Prompts that are real values mapped to vocabulary ids, as in the original experiments."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.prompts.base import Places, PromptModule, normal_to_ids

__all__ = ["ValuesModule"]


class ValuesModule(PromptModule):
    """P prompt values, each rounded to the vocabulary entry that it falls on.

    Rounding and lookup block the gradient: the vectors depend on the values, and autograd does not
    see it. With `straight_through` the rounding counts as the identity (Bengio et al. 2013) and an
    embedding as lying on the line between the two entries beside its place, so that a gradient
    reaches the values; what the model reads is the same.
    """

    fixed: Tensor

    def __init__(
        self, backbone: Backbone, places: Places, inputs: int, *, straight_through: bool
    ) -> None:
        """`places`: where the slots are split and the mask stands, unless `where` says something
        else; `inputs`: as a `PromptModel` has it."""
        super().__init__()
        self.word_vectors = backbone.word_vectors
        self.apart = inputs > 0
        before, mask = places
        now = torch.tensor([mask, before], dtype=torch.float32).reshape(2, -1).T
        self.register_buffer("fixed", now.expand(max(inputs, 1), 2).to(backbone.device))
        self.straight_through = straight_through

    @abstractmethod
    def values(self) -> Tensor:
        """(P,) prompt values, about standard normal."""

    def where(self) -> Tensor:
        """(I, 2) places of the mask and of the slice for each of I inputs that have slots of their
        own (else I = 1): real numbers, which are rounded to the nearest place there is."""
        return self.fixed

    def described(self) -> Tensor:
        """(P + 2 * I,) the prompt values, then mask and slice as shares of their slots: what a
        network beside the language model is told of the prompt."""
        values, where = self.values(), self.where()
        return torch.cat([values, where.flatten() / (len(values) / len(where) + 1)])

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
        slots = len(ids) // len(self.fixed)
        last = self.fixed.new_tensor([slots, slots + 1])  # the mask behind all slots, the data last
        where = self.where().detach().nan_to_num().round().clamp(min=0).minimum(last)
        mask, before = where.int().T.tolist()
        if not self.apart:
            return Prompt(ids=ids, vectors=vectors, before=before[0], mask=mask[0])
        return Prompt(ids=ids, vectors=vectors, before=tuple(before), mask=tuple(mask))
