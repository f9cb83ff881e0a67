"""Deep prompts: keys and values that every layer attends to besides those of its own tokens."""

from __future__ import annotations

import threading
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
_SAID = threading.local()
"""In each thread, the keys and values that are said `to` each module, and which modules `heard`:
batches run side by side."""


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention over the keys and values (b, heads, L, d) of a layer, and the prompt's before."""
    said = getattr(_SAID, "to", {}).get(module)
    if said is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    _SAID.heard.add(module)
    if said[0].shape[::2] != key.shape[1::2]:
        raise ConfigError(
            f"deep prompts: {said[0].shape[0]} heads of {said[0].shape[2]} entries don't fit the "
            f"model's own, {key.shape[1]} of {key.shape[3]}; use prompt-tuning, or another backbone"
        )
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
    bias = options.pop("position_bias", None)
    if bias is not None:
        # T5's positions are distances between tokens: a prompt that is no token is at none.
        options["position_bias"] = nn.functional.pad(bias, (extra, 0))
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
    _checked(model, layers, name)


def _checked(model: nn.Module, layers: list[nn.Module], name: str) -> list[nn.Module]:
    modules = _self_attentions(layers, name)
    if not _takes_attention(model):
        raise _deaf(model, name)
    return modules


def _deaf(model: nn.Module, name: str) -> ConfigError:
    kind = getattr(model.config, "model_type", name)
    return ConfigError(
        f"deep prompts: {kind} models have an attention of their own, which can't be given further "
        "keys; use prompt-tuning, or a BERT, RoBERTa, DistilBERT, GPT-2, BART, T5 or ViT"
    )


@contextmanager
def attending(model: nn.Module, layers: list[nn.Module], deep: Tensor, name: str) -> Iterator[None]:
    """While the block runs, layer n attends to the keys and values deep[n] (2, P', D) too.

    Raises
    ------
    ConfigError
        The model's attention can't be given more keys.
    """
    modules = _checked(model, layers, name)
    # The stacks of a T5 have a configuration each.
    config: Any = getattr(modules[0], "config", model.config)
    # It stays: without a prompt it does what the usual one does.
    config._attn_implementation = _NAME
    heads = int(config.num_attention_heads)
    before: tuple[Any, Any] = getattr(_SAID, "to", {}), getattr(_SAID, "heard", set())
    split = deep.unflatten(-1, (heads, -1)).transpose(2, 3)
    _SAID.to, _SAID.heard = dict(zip(modules, split.unbind(0), strict=True)), set()
    try:
        yield
        if len(_SAID.heard) < len(modules):
            raise _deaf(model, name)
    finally:
        to, heard = before
        # What a layer heard in a block of its own, the block around it has heard too.
        _SAID.to, _SAID.heard = to, heard | _SAID.heard


def _takes_attention(model: nn.Module) -> bool:
    """Whether the attention function can be replaced, as far as the model says."""
    flags = ("_supports_attention_backend", "_supports_sdpa")
    return any(getattr(model, flag, False) for flag in flags)
