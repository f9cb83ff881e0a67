"""Models of images: ViT. The answer stands at [CLS]."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsprompt.backbones.families.base import Family
from tsprompt.backbones.picture import Picture
from tsprompt.backbones.template import Template
from tsprompt.backbones.vocabulary import NoWords, Words

__all__ = ["Image"]

_MOST = 4_096
"""Tokens that are read at once. Only patches have positions, so a prompt may be of any length; the
time that attention takes bounds it."""
_GRAY = 0.5
"""Mean and standard deviation of a colour, where no file says them: ViT's own."""


class Image(Family):
    """``[CLS]``, prompt and patches; every token sees all others (Dosovitskiy et al. 2021).

    Neither mask nor `[SEP]`: without a prompt it reads what it always reads. A prompt is further
    tokens, which have no position (visual prompt tuning, Jia et al. 2022).
    """

    name: ClassVar[str] = "image"
    reads: ClassVar[str] = "images"
    frame: ClassVar[tuple[str, ...]] = ("cls",)

    def __init__(self, config: Any, depth: int, *, answers: bool = True) -> None:
        super().__init__(config, depth, answers=answers)
        self._config = config

    @classmethod
    def claims(cls, config: Any) -> bool:
        """Those whose embeddings have a [CLS], patches and a table of positions."""
        return bool(config.model_type == "vit")

    def words(self, vocabulary: Any, base: str) -> Words:
        """None. `vocabulary` is the description of how images are prepared."""
        config = self._config
        height, width = _pair(config.image_size)
        rows, columns = _pair(config.patch_size)
        colours = int(config.num_channels)
        self.picture = Picture(
            height=height,
            width=width,
            patches=(height // rows) * (width // columns),
            colours=colours,
            mean=tuple(vocabulary.get("image_mean") or [_GRAY] * colours),
            spread=tuple(vocabulary.get("image_std") or [_GRAY] * colours),
        )
        return NoWords(base)

    def word_vectors(self, model: nn.Module) -> Tensor:
        """(1, D): [CLS], its position added."""
        own: Any = model.get_submodule("embeddings")
        table: Tensor = own.cls_token[0] + own.position_embeddings[0, :1]
        return table.detach().to(torch.float32)

    def patches(self, model: nn.Module, images: Tensor) -> Tensor:
        """(b, S, D), float32, of images (b, C, H, W) with colours in [0, 1]; positions added."""
        mean, spread = (
            images.new_tensor(one)[:, None, None]
            for one in (self.picture.mean, self.picture.spread)
        )
        with torch.no_grad():
            return self._embedded(model, (images - mean) / spread).to(torch.float32)

    def _embedded(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """(b, S, D) of pixels (b, C, H, W) as the pretraining had them."""
        own: Any = model.get_submodule("embeddings")
        patches = own.patch_embeddings(pixels.to(own.cls_token.dtype))
        out: Tensor = patches + own.position_embeddings[:, 1:]
        return out

    def n_entering(self, model: nn.Module) -> int:
        """Those of the patches and of the positions."""
        return sum(one.numel() for one in model.get_submodule("embeddings").parameters())

    def positions(self, model: nn.Module, config: Any) -> int:
        """The patches and the longest prompt."""
        return _MOST

    def answer(self, template: Template) -> slice:
        """The [CLS]."""
        return slice(0, 1)

    def run(self, model: nn.Module, embeddings: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """States (B, L, D). The model itself takes nothing but images, so its layers are called."""
        states = [embeddings]
        for layer in self.model_layers(model):
            said = layer(states[-1])
            states.append(said[0] if isinstance(said, tuple) else said)
        norm = model.get_submodule("layernorm")
        return [norm(states[k]) if k == self.depth else states[k] for k in layers]


def _pair(size: Any) -> tuple[int, int]:
    """(height, width) of what may be one number."""
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))
