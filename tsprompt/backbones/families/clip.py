"""The vision tower of a CLIP. The answer stands at [CLS]; its texts are in `text_scorer`."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsprompt.backbones.families.image import Image

__all__ = ["Clip"]

_WHOLE, _TOWER = "clip", "clip_vision_model"
"""What transformers calls the pair of towers, and the one that reads images."""


class Clip(Image):
    """``[CLS]``, prompt and patches, as a ViT (Radford et al. 2021).

    Two normalisations differ: one stands before the first layer, and the one behind the last is
    applied to [CLS] alone there, to all tokens here. What maps [CLS] into the space that images
    share with texts is in `tsprompt.backbones.text_scorer`.
    """

    name: ClassVar[str] = "clip"

    @classmethod
    def claims(cls, config: Any) -> bool:
        """A pair of towers, or the one for images."""
        return config.model_type in (_WHOLE, _TOWER)

    @classmethod
    def reading(cls, config: Any) -> Any:
        """That of the tower for images."""
        return config.vision_config if config.model_type == _WHOLE else config

    def trim(self, model: nn.Module) -> None:
        """The last normalisation belongs to the last layer of the whole tower."""
        if self.depth < self.total:
            self.stack(model).post_layernorm = nn.Identity()

    def stack(self, model: nn.Module) -> nn.Module:
        """The tower, wherever a version of transformers has it."""
        own: nn.Module = getattr(model, "vision_model", model)
        return own

    def word_vectors(self, model: nn.Module) -> Tensor:
        """(1, D): [CLS], its position added."""
        own = self._embeddings(model)
        table: Tensor = own.class_embedding[None] + own.position_embedding.weight[:1]
        return table.detach().to(torch.float32)

    def n_entering(self, model: nn.Module) -> int:
        """Those of the patches and of the positions."""
        return sum(one.numel() for one in self._embeddings(model).parameters())

    def _embedded(self, model: nn.Module, pixels: Tensor) -> Tensor:
        own = self._embeddings(model)
        seen = own.patch_embedding(pixels.to(own.class_embedding.dtype)).flatten(2).transpose(1, 2)
        out: Tensor = seen + own.position_embedding.weight[1:]
        return out

    def _embeddings(self, model: nn.Module) -> Any:
        return self.stack(model).get_submodule("embeddings")

    def run(self, model: nn.Module, embeddings: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """States (B, L, D)."""
        tower = self.stack(model)
        states = [tower.get_submodule("pre_layrnorm")(embeddings)]
        for layer in self.model_layers(model):
            said = layer(states[-1], attention_mask=None)
            states.append(said[0] if isinstance(said, tuple) else said)
        norm = tower.get_submodule("post_layernorm")
        return [norm(states[k]) if k == self.depth else states[k] for k in layers]
