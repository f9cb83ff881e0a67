"""Cases that a worker reads for itself, from a file that it sees too."""

from __future__ import annotations

import hashlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tsprompt.data import Cases, IntArray
from tsprompt.errors import DatasetError

__all__ = ["Located", "TrainFiles", "located"]


class TrainFiles(Protocol):
    """Where the cases of train lie."""

    @property
    def loader(self) -> str:
        """`module:function`, which is given a block and `options`, and gives something with the
        `cases` of the block."""
        ...

    def cut(self, size: int) -> tuple[Sequence[tuple[Any, IntArray]], dict[str, Any]]:
        """Blocks of so many cases at most, each with the numbers of those that are in train, one
        after the other all of train; and the options of the loader.

        Raises
        ------
        DatasetError
            They can't be cut into blocks.
        """
        ...


@dataclass(frozen=True)
class Located:
    """Some cases, by where they lie."""

    loader: str
    options: dict[str, Any]
    block: Any
    rows: IntArray
    """(b,) which of the block's."""
    digest: bytes
    """Of the cases as they were read where the fit began."""

    def read(self) -> Cases:
        """The cases, as they were given.

        Raises
        ------
        DatasetError
            The file can't be read from here, or holds other cases than when the fit began.
        """
        held: Cases = pkgutil.resolve_name(self.loader)(self.block, **self.options).cases
        cases = held if len(self.rows) == len(held) else held.take(self.rows)
        if _digest(cases) != self.digest:
            raise DatasetError(
                "a block of train holds other cases than those that the fit began with; leave the "
                "files alone while it lasts"
            )
        return cases


def located(files: TrainFiles, cases: Cases, size: int) -> list[tuple[slice, Located]]:
    """All cases (B,) of train by where they lie, in blocks of so many at most.

    Raises
    ------
    DatasetError
        The files hold others.
    """
    found, start = [], 0
    blocks, options = files.cut(size)
    for block, rows in blocks:
        part = slice(start, start + len(rows))
        own = Located(files.loader, options, block, rows, _digest(cases[part]))
        found.append((part, own))
        start = part.stop
    if start != len(cases):
        raise DatasetError(
            f"the files of train hold {start:,} cases for workers to read, and there are "
            f"{len(cases):,} to learn from; leave the files alone while a fit lasts"
        )
    return found


def _digest(cases: Cases) -> bytes:
    """Of the lengths, and of the first and the last timestep, as float32."""
    digest = hashlib.sha256()
    for one in cases:
        digest.update(len(one).to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(one[[0, -1]], dtype=np.float32).tobytes())
    return digest.digest()
