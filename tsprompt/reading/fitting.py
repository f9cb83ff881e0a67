"""A pass over train: the readout learns from what the model says, before it pools it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones import side_by_side
from tsprompt.base.accelerator import sent
from tsprompt.data import IntArray
from tsprompt.reading.passes import Chunk, Pass, Said
from tsprompt.reading.together import read_works

__all__ = ["fit_features"]

Kept = list[tuple[IntArray, Any]]
"""Numbers of rows (r,), and what is kept of what the model says about them."""


def fit_features(own: Pass, chunks: list[Chunk], sample: np.ndarray, learned: np.ndarray) -> Tensor:
    """Fit the readout of a pass, and give the features (B, R) of all cases.

    The sample is read first, and held until the readout has learned from it. What it may not learn
    from is read last.

    Parameters
    ----------
    sample, learned
        (B,) whether a case is in the sample, and whether the readout may learn from it.
    """
    first = [said for part in _pick(chunks, sample) for said in _say(own, *part, _whole)]
    readout = own.reading.readout
    if own.series:
        readout.fit(torch.cat([said[0].transpose(1, 2).flatten(0, 1) for _, said in first]))
    pooled = side_by_side([partial(own.pool, said) for _, said in first], own.reader.batch.cores)
    kept = [(numbers, one) for (numbers, _), one in zip(first, pooled, strict=True)]
    del first
    kept += _read(own, chunks, learned & ~sample)
    if not own.series:
        readout.fit(torch.cat([one for _, one in kept]))
    return own.gather(kept + _read(own, chunks, ~learned))


def _read(own: Pass, chunks: list[Chunk], chosen: np.ndarray) -> Kept:
    return [one for part in _pick(chunks, chosen) for one in _say(own, *part, own.pool)]


def _say(own: Pass, index: IntArray, tokens: Tensor, keep: Callable[[Said], Any]) -> Kept:
    """What is to be kept of what the model says about the new rows among these cases."""
    read_works(own.works(index, tokens, keep))
    said, own.kept = own.kept, []
    return said


def _whole(said: Said) -> Said:
    return said


def _pick(chunks: list[Chunk], chosen: np.ndarray) -> Iterator[Chunk]:
    """The chosen cases (B,) of the chunks."""
    for index, tokens in chunks:
        keep = chosen[index]
        if keep.all():
            yield index, tokens
        elif keep.any():
            yield index[keep], tokens[sent(keep, tokens.device)]
