"""A tokenizer and a head, registered as tsprompt's own are."""

from __future__ import annotations

from dataclasses import dataclass

from tsprompt.heads import heads
from tsprompt.heads.ridge import Ridge
from tsprompt.tokenizers import tokenizers
from tsprompt.tokenizers.bins import Bins


@tokenizers.register("toy-bins")
@dataclass
class ToyBins(Bins):
    """Few bins, each a random word."""

    bins: int = 20
    """How many bins."""
    words: str = "random"
    """What bin i is to the language model, as `bins` has it."""


@heads.register("toy-ridge")
@dataclass
class ToyRidge(Ridge):
    """The head `ridge` under another name."""
