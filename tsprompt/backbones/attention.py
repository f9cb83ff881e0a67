"""Deep prompts: keys and values that every layer attends to besides those of its own tokens.

What is said to a layer is kept here while a block runs; the layer's attention asks for it: our own
BERT by `heard`, the models of transformers through `tsprompt.backbones.deep`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tsprompt.errors import ConfigError

__all__ = ["attending", "check", "config_of", "heard", "self_attentions"]

_HEADS = ("num_attention_heads", "num_heads", "n_heads")
"""What modules of attention call the number of their heads, in one model or another."""
_SAID = threading.local()
"""In each thread, the keys and values that are said `to` each module, and which modules `heard`:
batches run side by side."""


def heard(module: nn.Module, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """The keys and values (b, heads, L, d) of a layer, with the prompt's before, if there are any.

    Raises
    ------
    ConfigError
        The prompt's are of another size.
    """
    said = getattr(_SAID, "to", {}).get(module)
    if said is None:
        return key, value
    _SAID.heard.add(module)
    if said[0].shape[::2] != key.shape[1::2]:
        raise ConfigError(
            f"deep prompts: {said[0].shape[0]} heads of {said[0].shape[2]} entries don't fit the "
            f"model's own, {key.shape[1]} of {key.shape[3]}; use prompt-tuning, or another backbone"
        )
    keys, values = (one.to(key.dtype).expand(len(key), -1, -1, -1) for one in said)
    return torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)


def self_attentions(layers: list[nn.Module], name: str) -> list[nn.Module]:
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
    if not layers:
        raise ConfigError(f"deep prompts: the layers of {name} can't be told apart")
    modules = self_attentions(layers, name)
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
    heads = int(config_of(model, modules[0]).num_attention_heads)
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


def config_of(model: nn.Module, attention: nn.Module) -> Any:
    """The configuration that a module of attention reads: the stacks of a T5 have one each."""
    return getattr(attention, "config", model.config)


def _takes_attention(model: nn.Module) -> bool:
    """Whether the attention function can be replaced, as far as the model says."""
    flags = ("_supports_attention_backend", "_supports_sdpa")
    return any(getattr(model, flag, False) for flag in flags)
