"""`soft`: prompt tuning, free vectors in the prompt slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.backbones.vocabulary import encode_text
from tsprompt.base.part import require, require_one_of
from tsprompt.errors import Setting, counted
from tsprompt.prompts.base import Places, PromptModel, PromptModule, prompts

__all__ = ["FreeVectors", "Soft", "resume_vectors"]


@prompts.register("soft")
@dataclass
class Soft(PromptModel):
    """One trainable vector for each slot: prompt tuning (Lester et al. 2021)."""

    tuner: ClassVar[str] = "gradient"
    tuners: ClassVar[tuple[str, ...]] = ("gradient", "ppt", "transprompt", "none")
    of_vectors: ClassVar[bool] = True
    resumes: ClassVar[bool] = True

    init: str = "vocabulary"
    """Where training starts: at `random` vectors as large as word embeddings, at random words of
    the `vocabulary`, or at the words of a `text`."""
    text: str | None = None
    """The words for `init=text`. They are repeated or cut to `length`, where that is given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "init", ("random", "vocabulary", "text"))
        if self.init == "text":
            require(
                self.text is not None,
                'soft: init=text needs the words; give them as text="a series of"',
            )
        else:
            require(self.text is None, f"soft: text is for init=text, and init is {self.init!r}")

    @property
    def needs_words(self) -> bool:
        """Only to start from."""
        return self.init != "random"

    def slots_of(self, backbone: Backbone, default: int) -> int:
        """With `init=text` as many as the text has tokens, unless `length` says otherwise.

        Raises
        ------
        ConfigError
            The text has no tokens, or one that this backbone does not know.
        """
        if self.init != "text":
            return super().slots_of(backbone, default)
        count = len(self._written(backbone))
        return count if self.length is None else self.length

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """The prompt before any training."""
        return self.module(slots, backbone, rng).prompt()

    def module(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> PromptModule:
        """Vectors (P, D) to start from."""
        vectors = self._start(slots, backbone, rng)
        return FreeVectors(vectors, self.place(slots, rng))

    def resume(self, start: Prompt, slots: int, backbone: Backbone) -> PromptModule:
        """Vectors (P, D) that were trained before, or the embeddings of words that were found,
        placed as they were."""
        return resume_vectors(self.name, start, slots, backbone)

    def _start(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Tensor:
        if self.init == "random":
            drawn = rng.standard_normal((slots, backbone.hidden_size))
            scaled = torch.from_numpy(drawn * backbone.word_scale)
            return scaled.to(backbone.device, torch.float32)
        if self.init == "text":
            # In order, from the first on again when they run out: each step gets the same text.
            return backbone.embed(torch.tensor(np.resize(self._written(backbone), slots)))
        return backbone.embed(torch.from_numpy(rng.choice(backbone.words.plain, size=slots)))

    def _written(self, backbone: Backbone) -> list[int]:
        ids = encode_text(str(self.text), backbone, self.name)
        require(len(ids) > 0, "soft: text holds no words")
        return ids if self.length is None else [*np.resize(ids, self.length)]


def resume_vectors(name: str, start: Prompt, slots: int, backbone: Backbone) -> FreeVectors:
    """The vectors of a prompt, or its words' embeddings (Zhong et al. 2021), as a module, if they
    fill the P slots of the prompt `name`.

    Raises
    ------
    ConfigError
        They are keys and values for every layer, or for another number of slots.
    """
    require(
        start.deep is None,
        f"the prompt {name!r} fills slots of the input, and the saved one is keys and values for "
        "every layer; use ",
        Setting("prompt", "p-tuning-v2"),
    )
    vectors = start.fill(backbone)
    require(
        len(vectors) == slots,
        f"the saved prompt has {counted(len(vectors), 'slot')}, and this model has {slots}; "
        "give the prompt the length that it was trained with, as in ",
        Setting("prompt", f"soft:length={len(vectors)}"),
        " (with per-step also the same number of steps)",
    )
    return FreeVectors(vectors, (start.before, start.mask))


class FreeVectors(PromptModule):
    """P vectors that are parameters themselves, float32 whatever the language model computes in."""

    def __init__(self, vectors: Tensor, places: Places) -> None:
        super().__init__()
        self.vectors = nn.Parameter(vectors.detach().to(torch.float32).clone())
        self.before, self.mask = places

    def forward(self) -> Prompt:
        """The vectors (P, D)."""
        return Prompt(None, self.vectors, before=self.before, mask=self.mask)
