"""The frozen language models: load, check, freeze, cut to the depth that is read, and their twins.

A backbone is written ``NAME`` or ``TWIN:NAME``. NAME is a bundled one (``minilm``), a Hugging Face
hub name, or a local folder; TWIN is ``random`` (fresh initialisation), ``shuffled`` (pretrained
entries permuted inside each matrix) or ``none`` (embeddings go straight to the readout).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsprompt.backbones.base import Backbone
    from tsprompt.backbones.batches import BatchSize, side_by_side
    from tsprompt.backbones.catalogue import BUNDLED, available, cached
    from tsprompt.backbones.load import load_backbone

__all__ = [
    "BUNDLED",
    "Backbone",
    "BatchSize",
    "available",
    "cached",
    "load_backbone",
    "side_by_side",
]

_HOMES = {
    "BUNDLED": "catalogue",
    "Backbone": "base",
    "BatchSize": "batches",
    "available": "catalogue",
    "cached": "catalogue",
    "load_backbone": "load",
    "side_by_side": "batches",
}
"""Exported name -> module that holds it, imported on first use: what there is on a machine can be
listed without torch."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
