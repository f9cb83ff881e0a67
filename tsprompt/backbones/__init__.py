"""The frozen language models: load, check, freeze, cut to the depth that is read, and their twins.

A backbone is written ``NAME`` or ``TWIN:NAME``. NAME is a bundled one (``minilm``), a Hugging Face
hub name, or a local folder; TWIN is ``random`` (fresh initialisation), ``shuffled`` (pretrained
entries permuted inside each matrix) or ``none`` (embeddings go straight to the readout).
"""

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
