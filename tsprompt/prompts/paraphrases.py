"""`paraphrases`: one prompt in several wordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require
from tsprompt.base.seeds import generator
from tsprompt.prompts.base import prompts
from tsprompt.prompts.hard import Hard

__all__ = ["Paraphrases"]


@prompts.register("paraphrases")
@dataclass
class Paraphrases(Hard):
    """Random words for the first member of an ensemble; the others read the same prompt with a
    share of its words replaced by words that lie near them in the model's embeddings.

    After the paraphrases of Jiang et al. (2020), with neighbours in place of a translator.
    """

    share: float = 0.4
    """Share of the words that is replaced, one at the least."""
    nearest: int = 10
    """How many neighbours a replacement is drawn from."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.share <= 1, "paraphrases: share lies above 0 and is 1 or less")
        require(self.nearest >= 1, "paraphrases: nearest must be 1 or more")

    def draw_for(
        self, member: int, number: int, slots: int, backbone: Backbone, seed: int
    ) -> Prompt:
        """The first member's draw, in the wording of this one."""
        base = super().draw_for(0, number, slots, backbone, seed)
        if not member or base.ids is None or not len(base):
            return base
        rng = generator(seed, "paraphrase", member, number)
        count = max(1, round(self.share * slots))
        where = rng.choice(slots, size=count, replace=False)
        near = _neighbours(base.ids[where], backbone, self.nearest)
        chosen = near[np.arange(count), rng.integers(0, near.shape[1], size=count)]
        ids = base.ids.clone()
        ids[where] = chosen
        return Prompt(ids=ids, before=base.before, mask=base.mask)


def _neighbours(ids: Tensor, backbone: Backbone, count: int) -> Tensor:
    """Ids (P, count) of other whole words whose embeddings have the largest cosine with (P,)."""
    words = torch.tensor(backbone.words.plain)
    directions = functional.normalize(backbone.embed(words), dim=1)
    near = functional.normalize(backbone.embed(ids), dim=1) @ directions.T
    near[words.to(near.device) == ids.to(near.device)[:, None]] = -torch.inf
    best = near.topk(min(count, len(words) - 1), dim=1).indices
    return words[best.cpu()]
