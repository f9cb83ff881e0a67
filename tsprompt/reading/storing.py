"""A pass over train whose features go to a table in a file as they come: memory holds a chunk.

Cases that are read alone, step by step, are not for this: what is said of each step is needed until
the last case has come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones import side_by_side
from tsprompt.base.scratch import Scratch, let_go
from tsprompt.data import IntArray
from tsprompt.reading.passes import Chunk, Pass, Said
from tsprompt.reading.together import read_works

__all__ = ["store_features"]


def store_features(own: Pass, scratch: Scratch, sample: IntArray | None = None) -> Tensor:
    """The features (B, R) of all cases, in a table of the scratch folder.

    Parameters
    ----------
    sample
        (n,) cases that the readout is first fitted on; None: it is fitted.
    """
    table = _Table(own, scratch)
    rest = np.ones(len(own.cases), dtype=bool)
    if sample is not None:
        table.put(_fit(own, sample))
        rest[sample] = False
    for index, tokens in _pick(own.chunks(), rest):
        read_works(own.works(index, tokens))
        said, own.kept = own.kept, []
        table.put(said)
    return table.whole


def _fit(own: Pass, sample: IntArray) -> list[tuple[IntArray, Tensor]]:
    """Fit the readout on what is said of the sample; give the numbers of its rows, and features."""
    chunks = own.reader.tokenise(own.reading.tokenizer, own.cases.take(sample))
    first: list[tuple[IntArray, Said]] = []
    for index, tokens in chunks:
        read_works(own.works(sample[index], tokens, _as_it_is))
        said, own.kept = own.kept, []
        first += said
    own.reading.readout.fit(torch.cat([one[0].transpose(1, 2).flatten(0, 1) for _, one in first]))
    pooled = side_by_side([partial(own.pool, one) for _, one in first], own.reader.batch.cores)
    return [(numbers, one) for (numbers, _), one in zip(first, pooled, strict=True)]


def _as_it_is(said: Said) -> Said:
    return said


def _pick(chunks: Iterator[Chunk], chosen: np.ndarray) -> Iterator[Chunk]:
    """The chosen cases (B,) of the chunks."""
    for index, tokens in chunks:
        keep = chosen[index]
        if keep.all():
            yield index, tokens
        elif keep.any():
            yield index[keep], tokens[torch.from_numpy(keep).to(tokens.device)]


@dataclass
class _Table:
    """The features of all cases; those of a row that has come before are copied from there."""

    own: Pass
    scratch: Scratch
    whole: Tensor = field(default_factory=lambda: torch.empty(0))
    _first: IntArray = field(init=False)
    """(B,) for the number of each row, the first case that has it."""
    _known: int = 0
    """How many rows there have been."""

    def __post_init__(self) -> None:
        self._first = np.empty(len(self.own.cases), dtype=np.intp)

    def put(self, said: list[tuple[IntArray, Any]]) -> None:
        """Take the features of new rows, with their numbers; of all cases that the pass has been
        shown since the last time."""
        shown, self.own.numbers = self.own.numbers, []
        index, numbers = (np.concatenate(one) for one in zip(*shown, strict=True))
        new = numbers >= self._known
        _, at = np.unique(numbers[new], return_index=True)
        self._first[self._known : self._known + len(at)] = index[new][at]
        if said:
            order = np.argsort(np.concatenate([which for which, _ in said]))
            rows = torch.cat([one.cpu() for _, one in said])[torch.from_numpy(order)]
            if not len(self.whole):
                self.whole = self.scratch.table(len(self.own.cases), rows.shape[1])
            self._write(index[new], rows[torch.from_numpy(numbers[new] - self._known)])
        self._known += len(at)
        if not new.all():
            before = self._first[numbers[~new]]
            self._write(index[~new], self.whole[torch.from_numpy(before)])
        let_go(self.whole)

    def _write(self, index: IntArray, rows: Tensor) -> None:
        self.whole[torch.from_numpy(index)] = rows.to(self.whole)
