"""A saved model in a socket: where it lies, and what of it is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from tsprompt.classifier import PromptClassifier
from tsprompt.model.fitted import Fitted

__all__ = ["Plugged", "own_bytes"]


@dataclass(frozen=True)
class Plugged:
    """One model that a socket has been given."""

    path: Path
    """Its folder."""
    pinned: str | None
    """The digest that was asked for: a model of another one is refused whenever it is read."""
    model: PromptClassifier
    digest: str
    """Of the model in memory."""
    bytes: int
    """What it takes in memory besides the shared weights."""


def own_bytes(fitted: Fitted) -> int:
    """Bytes of what a fitted model has for itself: what its parts have learned, and the weights of
    the language model where it has a trained copy."""
    parts = [fitted.design.preprocessing, fitted.design.strategy, fitted.design.combination]
    learned: list[Any] = [part.state() for part in parts]
    tokenizers = {id(reading.tokenizer): reading.tokenizer for reading in fitted.readings}
    learned += [one.state() for one in tokenizers.values()]
    for reading in fitted.readings:
        learned += [reading.prompt.state(), reading.readout.state(), reading.context.state()]
    backbone = fitted.reader.backbone
    copied = list(backbone.model.parameters()) if backbone.trained else []
    return sum(_sizes([learned, copied]))


def _sizes(state: Any) -> Iterator[int]:
    """Bytes of the tensors and arrays in a state."""
    if isinstance(state, (Tensor, np.ndarray)):
        yield int(state.nbytes)
    elif isinstance(state, Mapping):
        yield from _sizes(list(state.values()))
    elif isinstance(state, Sequence) and not isinstance(state, (str, bytes)):
        for one in state:
            yield from _sizes(one)
