"""Deep prompts: keys and values that every layer attends to besides those of its own tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from tsprompt.errors import ConfigError

__all__ = ["attending", "check"]

_NAME = "tsprompt_deep"
_HEADS = ("num_attention_heads", "num_heads", "n_heads")
"""What modules of attention call the number of their heads, in one model or another."""


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention over the keys and values (b, heads, L, d) of a layer, and the prompt's before."""
    said: tuple[Tensor, Tensor] | None = getattr(module, _NAME, None)
    if said is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    rows, own = len(key), key.shape[2]
    keys, values = (one.to(key.dtype).expand(rows, -1, -1, -1) for one in said)
    extra = keys.shape[2]
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
    key, value = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, is_causal=False, **options
    )


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, sdpa_mask)


def _self_attentions(layers: list[nn.Module], name: str) -> list[nn.Module]:
    """The module of each layer that hands its keys and values to the attention function."""
    found = []
    for layer in layers:
        own = [one for one in layer.modules() if any(hasattr(one, key) for key in _HEADS)]
        if not own:
            raise ConfigError(f"deep prompts: the layers of {name} have no attention that is known")
        found.append(own[0])
    return found


def check(model: nn.Module, layers: list[nn.Module], name: str) -> None:
    """See that the layers of a model can be given further keys and values.

    Raises
    ------
    ConfigError
        They can't.
    """
    config: Any = model.config
    if not getattr(model, "_supports_attention_backend", False):
        raise ConfigError(
            f"deep prompts: {config.model_type} models have an attention of their own, which can't "
            "be given further keys; use prompt-tuning, or a BERT, RoBERTa, DistilBERT or GPT-2"
        )
    if not layers:
        raise ConfigError(f"deep prompts: the layers of {name} can't be told apart")
    _self_attentions(layers, name)


@contextmanager
def attending(model: nn.Module, layers: list[nn.Module], deep: Tensor, name: str) -> Iterator[None]:
    """While the block runs, layer n attends to the keys and values deep[n] (2, P', D) too.

    Raises
    ------
    ConfigError
        The model's attention can't be given more keys.
    """
    check(model, layers, name)
    config: Any = model.config
    before = config._attn_implementation
    modules = _self_attentions(layers, name)
    heads = int(config.num_attention_heads)
    try:
        config._attn_implementation = _NAME
        for module, said in zip(modules, deep, strict=True):
            split = said.unflatten(-1, (heads, -1)).transpose(1, 2)
            setattr(module, _NAME, (split[0], split[1]))
        yield
    finally:
        config._attn_implementation = before
        for module in modules:
            if hasattr(module, _NAME):
                delattr(module, _NAME)
