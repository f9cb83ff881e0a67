"""Deep prompts of transformers' models: their attention asks what is said to a layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from tsprompt.backbones.attention import config_of, heard, self_attentions

__all__ = ["let_ask"]

_NAME = "tsprompt_deep"


def let_ask(model: nn.Module, layers: list[nn.Module], name: str) -> None:
    """Have the attention of a model ask. It stays so: without a prompt it does what the usual one
    does.

    Raises
    ------
    ConfigError
        It is of no kind that is known.
    """
    for attention in self_attentions(layers[:1], name):
        config_of(model, attention)._attn_implementation = _NAME


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention over the keys and values (b, heads, L, d) of a layer, and the prompt's before."""
    keys, values = heard(module, key, value)
    own, extra = key.shape[2], keys.shape[2] - key.shape[2]
    if not extra:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    causal = options.pop("is_causal", None)
    if causal is None:
        causal = bool(getattr(module, "is_causal", False))
    if attention_mask is None and causal and query.shape[2] > 1:
        # Each token sees the whole prompt, and of its own kind those up to itself.
        attention_mask = torch.ones(own, own, dtype=torch.bool, device=key.device).tril()[
            None, None
        ]
    if attention_mask is not None:
        seen = attention_mask.new_zeros(*attention_mask.shape[:-1], extra)
        seen = seen if attention_mask.is_floating_point() else ~seen
        attention_mask = torch.cat([seen, attention_mask], dim=-1)
    bias = options.pop("position_bias", None)
    if bias is not None:
        # T5's positions are distances between tokens: a prompt that is no token is at none.
        options["position_bias"] = nn.functional.pad(bias, (extra, 0))
    return sdpa_attention_forward(
        module, query, keys, values, attention_mask, is_causal=False, **options
    )


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, sdpa_mask)
