"""A saved model in a socket: where it lies, and what of it is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.classifier import PromptClassifier
from tsprompt.model.fitted import Fitted

__all__ = ["Plugged", "learned_tensors", "own_bytes"]


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
    backbone = fitted.reader.backbone
    copied = list(backbone.model.parameters()) if backbone.trained else []
    return sum(int(one.nbytes) for one in [*learned_tensors(fitted), *copied])


def learned_tensors(fitted: Fitted) -> Iterator[Tensor | npt.NDArray[Any]]:
    """What the parts of a fitted model have learned, without the language model."""
    parts = [fitted.design.preprocessing, fitted.design.strategy, fitted.design.combination]
    learned: list[Any] = [part.state() for part in parts]
    tokenizers = {id(reading.tokenizer): reading.tokenizer for reading in fitted.readings}
    learned += [one.state() for one in tokenizers.values()]
    for reading in fitted.readings:
        learned += [reading.prompt.state(), reading.readout.state(), reading.context.state()]
    return _tensors(learned)


def _tensors(state: Any) -> Iterator[Tensor | npt.NDArray[Any]]:
    """The tensors and arrays in a state."""
    if isinstance(state, (Tensor, np.ndarray)):
        yield state
    elif isinstance(state, Mapping):
        yield from _tensors(list(state.values()))
    elif isinstance(state, Sequence) and not isinstance(state, (str, bytes)):
        for one in state:
            yield from _tensors(one)
