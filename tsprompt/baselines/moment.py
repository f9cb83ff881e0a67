"""`moment`: a large pretrained transformer for everything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsprompt.baselines.base import baselines
from tsprompt.baselines.foundation import Foundation

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Moment"]

_LENGTH, _PATCH = 512, 8
"""Timesteps that it reads at the most, and those of a patch."""
_T5 = {
    "d_model": 1024,
    "d_ff": 2816,
    "d_kv": 64,
    "num_heads": 16,
    "num_layers": 24,
    "feed_forward_proj": "gated-gelu",
}
"""MOMENT-1-large is built like the encoder of flan-t5-large."""


@baselines.register("moment")
@dataclass
class Moment(Foundation):
    """Frozen MOMENT (T5's encoder over patches of 8 timesteps, pretrained to fill masked ones) and
    our ridge head.

    The authors' package asks for versions of numpy and transformers from 2023, so the encoder is
    built here from transformers' T5; with the same weights it gives the same features. A feature
    of more than 512 timesteps is resampled to 512, and a shorter one to the next multiple of 8,
    at the end of the 512, as theirs are padded in front. The patches' mean is read.
    """

    title = "MOMENT + ridge"
    source = "Goswami et al. (2024); ours, on transformers; weights of Hugging Face"

    weights: str = "AutonLab/MOMENT-1-large"
    """A model of Hugging Face, a folder with `model.safetensors` and `config.json`, or `random`."""

    def _module(self, settings: Mapping[str, Any]) -> nn.Module:
        from torch import nn
        from transformers import T5Config, T5EncoderModel

        config = T5Config.from_dict({**_T5, **settings.get("t5_config", {}), "vocab_size": 2})
        encoder = T5EncoderModel(config).get_encoder()
        encoder.set_input_embeddings(nn.Identity())  # of words, which it never reads
        value = nn.Linear(_PATCH, config.d_model, bias=False)
        return nn.ModuleDict({"value": value, "encoder": encoder})

    def _names(self) -> dict[str, str] | None:
        return {
            "patch_embedding.value_embedding.": "value.",
            "encoder.block.": "encoder.block.",
            "encoder.final_layer_norm.": "encoder.final_layer_norm.",
        }

    def _embed(self, series: Tensor) -> Tensor:
        from torch.nn.functional import interpolate

        length = min(_LENGTH, _PATCH * math.ceil(series.shape[1] / _PATCH))
        if length != series.shape[1]:
            series = interpolate(series[:, None], length, mode="linear")[:, 0]
        mean = series.mean(dim=1, keepdim=True)
        unit = series.std(dim=1, keepdim=True, correction=0) + 1e-5
        patches = ((series - mean) / unit).unflatten(1, (-1, _PATCH))
        tokens = self.model_.get_submodule("value")(patches)
        tokens = tokens + _positions(tokens.shape[2]).to(tokens)[-tokens.shape[1] :]
        # Patches of padding would neither be attended to nor read, so they are left out.
        found: Tensor = self.model_.get_submodule("encoder")(inputs_embeds=tokens)[0]
        return found.mean(dim=1)


def _positions(width: int) -> Tensor:
    """Sine and cosine of each patch's place (64, D), as in Vaswani et al. (2017)."""
    import torch

    place = torch.arange(_LENGTH // _PATCH).float()[:, None]
    rate = (torch.arange(0, width, 2).float() * -(math.log(10_000.0) / width)).exp()
    return torch.stack([(place * rate).sin(), (place * rate).cos()], dim=2).flatten(start_dim=1)
