"""`colours`: colour words before the segments, or the channels, of a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Template
from tsprompt.backbones.vocabulary import find_word, find_words, named_or_drawn
from tsprompt.base.colours import COLOURS
from tsprompt.base.part import Part, require, require_one_of, several
from tsprompt.base.seeds import generator
from tsprompt.base.state import numbers
from tsprompt.combinations import Combination
from tsprompt.contexts.base import Context, Train, contexts, needs_mask
from tsprompt.data import IntArray
from tsprompt.errors import ConfigError, notice
from tsprompt.strategies import Strategy
from tsprompt.tokenizers import Tokenizer, tokenizers

__all__ = ["Colours"]


@contexts.register("colours")
@dataclass
class Colours(Context):
    """Colour words mark what an answer may point at: ``[CLS] red x1 x2 green x3 x4 [MASK] [SEP]``.

    After CPT (Yao et al. 2021), which paints the regions of an image and asks for the colour of the
    one that is meant. Here the regions are equal segments of time, or channels, and each is
    preceded by its word. What the mask says of these words is read by `readout=words`.
    """

    scopes: ClassVar[tuple[str, ...]] = ("series",)
    names_answers: ClassVar[bool] = True

    by: str = "segment"
    """What is marked: each `segment` of time, or each `channel`, whose tokens then stand
    together."""
    segments: int = 4
    """How many segments of time; a case with fewer steps has fewer."""
    words: tuple[str, ...] | None = None
    """Their words, in order; None: colours, those that are words of the vocabulary."""

    class State(Part.State):
        """What fitting has learned."""

        ids_: Annotated[Tensor, numbers("int64", "Q", least=0, below="V")]

    def __post_init__(self) -> None:
        self.words = None if self.words is None else several(self.words)
        require_one_of(self, "by", ("segment", "channel"))
        require(self.segments >= 2, "colours: segments must be 2 or more")

    def check(
        self, scope: str, strategy: Strategy, tokenizer: Tokenizer, combination: Combination
    ) -> None:
        """Channels can be marked where each token belongs to one, and to no step's prompt, and
        where all members of an ensemble see the same ones."""
        super().check(scope, strategy, tokenizer, combination)
        if self.by != "channel":
            return
        if not tokenizer.by_channel:
            able = " or ".join(name for name in tokenizers if tokenizers[name].by_channel)
            raise ConfigError(
                f"colours: by=channel marks the tokens of each channel, but those of the tokenizer "
                f"{tokenizer.name!r} mix all channels; use the tokenizer {able}, or by=segment"
            )
        if strategy.by_step or not strategy.keeps_channels:
            raise ConfigError(
                f"colours: by=channel puts the tokens of a channel together, which the strategy "
                f"{strategy.name!r} does not allow; use the strategy shared, or by=segment"
            )
        if not combination.keeps_channels:
            raise ConfigError(
                "colours: by=channel has a mark for each channel of the series, but the "
                f"combination {combination.name!r} shows each prompt some of them only; use "
                "another combination, or by=segment"
            )

    @property
    def word_ids(self) -> Tensor:
        """Those of the marks."""
        return self.ids_

    def fit(self, backbone: Backbone, train: Train) -> None:
        """As many words as there are segments or channels."""
        needs_mask(self.name, backbone)
        count = self.segments if self.by == "segment" else train.cases.n_features
        require(
            count >= 2, "colours: by=channel needs two channels or more; use by=segment for one"
        )
        if self.words is not None:
            require(
                len(self.words) >= count,
                f"colours: there are {len(self.words)} words for {count} {self.by}s; give more",
            )
            self.ids_ = torch.tensor(find_words(self.words[:count], "colours", backbone))
            return
        known = [one for one in COLOURS if find_word(one, backbone) is not None]
        if len(known) < count:
            notice(
                f"colours: the vocabulary of {backbone.name} has {len(known)} colours for {count} "
                f"{self.by}s; random words stand for the others"
            )
        names = [*known, *COLOURS, *[""] * count][:count]
        ids = named_or_drawn(names, backbone, generator(train.seed, "colour words"))
        self.ids_ = torch.tensor(ids)

    def max_steps(self, strategy: Strategy, backbone: Backbone, length: int, width: int) -> int:
        """What is left beside the marks."""
        room = backbone.positions - len(self.ids_)
        steps = strategy.max_steps(room, length, width)
        if steps < 1:
            raise ConfigError(
                f"colours: {len(self.ids_)} marks, the prompt and one step don't fit into the "
                f"{backbone.positions} positions of {backbone.name}; use fewer marks or a shorter "
                "prompt"
            )
        return steps

    def extra(self, strategy: Strategy, length: int, rows: Tensor, beside: IntArray) -> IntArray:
        """The marks; a case with few steps has fewer segments."""
        count = len(self.ids_)
        marks = min(count, rows.shape[1]) if self.by == "segment" else count
        return np.full(len(rows), marks, dtype=np.intp)

    def arrange(self, template: Template) -> Template:
        """A mark before the first token of each segment or channel."""
        if self.by == "segment":
            steps = len(template.data)
            count = min(len(self.ids_), steps)
            return template.marked(template.data[np.arange(count) * steps // count, 0])
        steps, width = template.data.shape
        channels = len(self.ids_)
        table: IntArray = np.sort(template.data.ravel()).reshape(channels, steps, -1)
        together = template.with_data(table.transpose(1, 0, 2).reshape(steps, width))
        return together.marked(table[:, 0, 0])

    def markers(self, template: Template, backbone: Backbone) -> Tensor | None:
        """The embeddings of their words."""
        return backbone.embed(self.ids_[: template.markers.size])

    def marker_words(self, template: Template, backbone: Backbone) -> list[str]:
        """The words."""
        return [backbone.words.word(int(one)) for one in self.ids_[: template.markers.size]]
