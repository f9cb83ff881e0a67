"""Equal rows get equal numbers: what is run once need not be run again."""

from __future__ import annotations

import hashlib
from itertools import islice

import numpy as np
from torch import Tensor

from tsprompt.data import IntArray

__all__ = ["Distinct"]


class Distinct:
    """Numbers the distinct rows of all that it is shown, in the order of first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self.keys: list[bytes] = []
        """What tells the rows apart, by number."""

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, rows: Tensor, place: IntArray) -> tuple[IntArray, IntArray]:
        """Number rows (n, ...) that stand at places (n,), or (n, K): beside what they are read.

        Rows are equal if all their values and their places are.

        Returns
        -------
        numbers
            (n,) the number of each row.
        new
            Positions of the rows seen for the first time, in the order of their numbers.
        """
        known = len(self._numbers)
        flat = rows.flatten(1).contiguous().cpu().numpy()
        numbers = np.fromiter(
            (
                self._numbers.setdefault(_key(row, at), len(self._numbers))
                for row, at in zip(flat, np.ascontiguousarray(place), strict=True)
            ),
            dtype=np.intp,
            count=len(flat),
        )
        self.keys += islice(self._numbers, known, None)
        distinct, first = np.unique(numbers, return_index=True)
        return numbers, first[distinct >= known]


def _key(row: np.ndarray, place: np.ndarray) -> bytes:
    digest = hashlib.sha256(row.data)
    digest.update(place.tobytes())
    return digest.digest()
