"""`mantis`: a small pretrained transformer for classification."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsprompt.base.part import require, require_one_of
from tsprompt.baselines.base import baselines
from tsprompt.baselines.foundation import Foundation

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Mantis"]

_LENGTH = 512
"""Timesteps that it was pretrained on."""
_TOKENS = {"class": "cls_token", "mean": "mean_token", "both": "combined"}


@baselines.register("mantis")
@dataclass
class Mantis(Foundation):
    """Frozen Mantis (8 million parameters, pretrained by contrast on 7 million series) and our
    ridge head.

    Each feature is interpolated to 512 timesteps, as its authors do. Which layer and tokens are
    read is what they found best for a frozen encoder.
    """

    title = "Mantis + ridge"
    source = "Feofanov et al. (2025); mantis-tsfm; weights of Hugging Face"
    packages = ("mantis",)
    extra = "mantis"

    weights: str = "paris-noah/Mantis-8M"
    """A model of Hugging Face, a folder with `model.safetensors` and `config.json`, or `random`."""
    layer: int = 3
    """The layer that is read, of six."""
    token: str = "both"
    """Which tokens are read: the `class` token, the `mean` of all others, or `both`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.layer <= 6, "mantis: layer lies between 1 and 6")
        require_one_of(self, "token", tuple(_TOKENS))

    def _module(self, settings: Mapping[str, Any]) -> nn.Module:
        from mantis.architecture import MantisV1

        known = inspect.signature(MantisV1).parameters.keys() - {"device"}
        model: nn.Module = MantisV1(
            **{key: value for key, value in settings.items() if key in known}, device="cpu"
        )
        # Set afterwards: the constructor would build an unused projection of another size.
        model.return_transf_layer = self.layer - 1  # type: ignore[assignment]
        model.output_token = _TOKENS[self.token]  # type: ignore[assignment]
        return model

    def _embed(self, series: Tensor) -> Tensor:
        from torch.nn.functional import interpolate

        found: Tensor = self.model_(interpolate(series[:, None], _LENGTH, mode="linear"))
        return found
