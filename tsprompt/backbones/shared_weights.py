"""One copy of equal weights in memory, however many models of a kind are loaded.

A backbone is loaded as deep as it is read, so the same model is loaded to several depths. The
layers that two of them have in common, and the word embeddings, are kept once: whichever is loaded
later takes over what the earlier one holds. Weights are compared by their numbers, so that twins
share what they have in common and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from weakref import WeakSet

import torch
from torch import Tensor, nn

from tsprompt.backbones.base import Backbone
from tsprompt.backbones.catalogue import split_name

__all__ = ["sharing"]

_LOADED: WeakSet[Backbone] = WeakSet()
_LOCK = threading.Lock()


def sharing(backbone: Backbone) -> Backbone:
    """The same, with the weights that others hold already in place of its own equal ones."""
    base = split_name(backbone.name)[1]
    with _LOCK:
        others = [
            one
            for one in _LOADED
            if split_name(one.name)[1] == base
            and (one.device, one.dtype) == (backbone.device, backbone.dtype)
        ]
        _take_over(backbone.model, [one.model for one in others])
        words = [one.word_vectors for one in others]
        backbone.word_vectors = _same(backbone.word_vectors, words)
        alike = (one.words for one in others if one.words.equals(backbone.words))
        backbone.words = next(alike, backbone.words)
        _LOADED.add(backbone)
    return backbone


def _take_over(model: nn.Module, others: list[nn.Module]) -> None:
    held = [dict(one.named_parameters()) for one in others]
    taken = {
        id(own): _same(own, [one[name] for one in held if name in one])
        for name, own in model.named_parameters()
    }
    # Weights that are tied stand in several modules.
    for module in model.modules():
        for name, own in module.named_parameters(recurse=False):
            if taken.get(id(own), own) is not own:
                setattr(module, name, taken[id(own)])


def _same(own: Tensor, others: Iterable[Tensor]) -> Tensor:
    """Another tensor with the same numbers, if there is one."""
    return next((one for one in others if own.shape == one.shape and torch.equal(own, one)), own)
