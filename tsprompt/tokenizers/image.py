"""`image`: the series is drawn, and a vision transformer reads the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.base.colours import COLOURS
from tsprompt.base.part import require, require_one_of, several
from tsprompt.base.state import numbers
from tsprompt.data import Cases
from tsprompt.tokenizers.base import Tokenizer, Vocabulary, tokenizers

if TYPE_CHECKING:
    from tsprompt.backbones.picture import Picture

__all__ = ["Image", "draw_lines"]

_CHUNK = 20_000_000
"""Pixels that are drawn at once."""
_PAINTS = {word: shade for word, shade in COLOURS.items() if word != "white"}
"""Word -> colour, of those that are seen on white."""
_OPACITY = 0.5
"""Of a block: the line is seen before it, and the white behind it, about as in CPT's code."""


@tokenizers.register("image")
@dataclass
class Image(Tokenizer):
    """A line plot of each series, cut into the patches of a ViT: (b, S, 1, D), S patches.

    Time runs from the left edge to the right one, whatever the length of a series; values run from
    the least of train at the bottom to the largest at the top, for each feature; what lies beyond
    stays at the edge. The ViT's own layer embeds the patches and adds their positions (line plots
    for vision transformers: Li et al. 2023).
    """

    discrete: ClassVar[bool] = False
    makes: ClassVar[str] = "images"

    steps: int | None = None
    """Always as many as the picture has patches."""
    stroke: float = 2.0
    """Width of the line, in pixels."""
    margin: float = 0.1
    """Room above and below the values of train, in units of their range."""
    colours: str = "stack"
    """`stack`: features take turns at the colours of the picture (red, green, blue), and a single
    one takes all; `overlay`: every feature is drawn in all colours, over the others."""
    paint: tuple[str, ...] | None = None
    """Colours of equal segments of time, in their order, as ``red+green+blue``: a text can then
    name a segment (CPT, Yao et al. 2021). All features are lines over each other. None: no colours.
    """
    paint_as: str = "block"
    """How a segment has its colour: a translucent `block` behind it, or its `line`."""

    class State(Tokenizer.State):
        """What fitting has learned."""

        low_: Annotated[Tensor, numbers("float32", "F")]
        range_: Annotated[Tensor, numbers("float32", "F", least=0)]

    def __post_init__(self) -> None:
        require(self.steps is None, "image: steps can't be set, they are the patches of the ViT")
        require(self.stroke > 0, "image: stroke must be positive")
        require(0 <= self.margin <= 1, "image: margin lies between 0 and 1")
        require_one_of(self, "colours", ("stack", "overlay"))
        require_one_of(self, "paint_as", ("block", "line"))
        self.paint = None if self.paint is None else several(self.paint)
        unknown = [one for one in self.paint or () if one not in _PAINTS]
        require(
            not unknown,
            f"image: paint={'+'.join(map(str, unknown))} can't be drawn; there are: "
            f"{', '.join(_PAINTS)}",
        )
        require(
            self.paint is None or len(set(self.paint)) == len(self.paint) >= 2,
            "image: paint must name two colours or more, each once",
        )

    def fit(
        self,
        cases: Cases,
        vocabulary: Vocabulary,
        *,
        max_steps: int | None,
        rng: np.random.Generator,
        member: int = 0,
    ) -> Image:
        """Learn the range of each feature from train. See `Tokenizer.fit`."""
        self.max_steps_ = vocabulary.picture.patches
        self.patch_ = 1
        require(
            self.paint is None or vocabulary.picture.colours == len(_PAINTS["red"]),
            f"image: {vocabulary.name} reads pictures without colours; leave paint out",
        )
        require(
            max_steps is None or max_steps >= self.max_steps_,
            f"image: {self.max_steps_} patches and the prompt don't fit into "
            f"{vocabulary.positions} positions; use a shorter prompt, or a strategy with one "
            "prompt for all steps",
        )
        values = np.concatenate(list(cases))
        low, high = values.min(axis=0), values.max(axis=0)
        room = self.margin * (high - low)
        self.low_ = torch.from_numpy(low - room)
        self.range_ = torch.from_numpy(high - low + 2 * room)
        return self

    def patch_length(self, timesteps: int) -> int:
        """A step is a patch of the picture, which has no length in time: 1."""
        return 1

    def steps_of(self, timesteps: int) -> int:
        """The patches of the picture."""
        return self.max_steps_

    def crowded(self, longest: int, room: int | None) -> bool:
        """Never: a picture holds a series of any length."""
        return False

    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        picture = vocabulary.picture
        cases = max(1, _CHUNK // (picture.height * picture.width * picture.colours))
        seen = [vocabulary.patches(self.render(part, picture)) for part in values.split(cases)]
        return torch.cat(seen).unsqueeze(2)

    def render(self, values: Tensor, picture: Picture) -> Tensor:
        """Images (b, C, H, W) of values (b, T, F): black lines on white, or as they are painted;
        colours in [0, 1]."""
        size = (len(values), picture.colours, picture.height, picture.width)
        ink = values.new_zeros(size, dtype=torch.float32)
        spread = sent(self.range_.clamp(min=1e-12), values.device)
        flat = sent(self.range_ > 0, values.device)
        # A feature that never changed in train is a line half-way up.
        scaled = ((values - sent(self.low_, values.device)) / spread).where(
            flat, values.new_tensor(0.5)
        )
        for feature in range(values.shape[2]):
            line = draw_lines(
                scaled[..., feature].clamp(0, 1), picture.height, picture.width, self.stroke
            )
            for colour in self._colours_of(feature, values.shape[2], picture.colours):
                torch.maximum(ink[:, colour], line, out=ink[:, colour])
        if self.paint is None:
            return 1 - ink
        shade = 1 - _columns(self.paint, picture.width).to(ink)
        if self.paint_as == "line":
            return 1 - ink * shade
        return (1 - _OPACITY * shade) * (1 - ink)

    def _colours_of(self, feature: int, features: int, colours: int) -> list[int]:
        if self.colours == "overlay" or self.paint is not None:
            return list(range(colours))
        return [c for c in range(colours) if c % features == feature % colours]


def _columns(paint: tuple[str, ...], width: int) -> Tensor:
    """(3, 1, W) the colour of each column of pixels: those of Q equal segments, from the left."""
    table = torch.tensor([_PAINTS[one] for one in paint])
    return table[torch.arange(width) * len(paint) // width].T[:, None]


def draw_lines(values: Tensor, height: int, width: int, stroke: float) -> Tensor:
    """How much of each pixel a line covers, (b, H, W) in [0, 1], for values (b, T) in [0, 1].

    The line goes straight from each value to the next. In each column of pixels it spans from its
    least to its largest value there, and half the stroke beyond: however steep or dense the
    series, no peak is lost. A pixel that is covered in part is gray (anti-aliasing).
    """
    low, high = _spans(values, width)
    inner = max(height - stroke, 0.0)
    # From the bottom up to rows from the top down, with the whole stroke inside.
    top = (1 - high) * inner + (height - inner) / 2 - stroke / 2
    bottom = (1 - low) * inner + (height - inner) / 2 + stroke / 2
    row = torch.arange(height, device=values.device, dtype=values.dtype)[:, None]
    covered = torch.minimum(bottom[:, None], row + 1) - torch.maximum(top[:, None], row)
    return covered.clamp(0, 1)


def _spans(values: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The least and the largest value (b, W) of lines through values (b, T) in each column."""
    last = values.shape[1] - 1
    if not last:
        still = values.expand(-1, width)
        return still, still
    at = torch.arange(width + 1, device=values.device, dtype=torch.float64) * (last / width)
    left = at.floor().clamp(max=last - 1).long()
    share = (at - left).to(values.dtype)
    edges = values[:, left] + (values[:, left + 1] - values[:, left]) * share
    low = torch.minimum(edges[:, :-1], edges[:, 1:])
    high = torch.maximum(edges[:, :-1], edges[:, 1:])
    time = torch.arange(last + 1, device=values.device)
    column = (time * width // last).clamp(max=width - 1).expand_as(values)
    return (
        low.scatter_reduce(1, column, values, "amin"),
        high.scatter_reduce(1, column, values, "amax"),
    )
