"""Equal rows get equal numbers: what is run once need not be run again.

Rows are compared where they lie, on whichever device. A hash of each finds those that may be equal,
and only what is equal number by number counts as equal. Where a hash is shared by chance, the row
goes on to another one, as keys do in a table with open addressing (Peterson 1957).
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.data import IntArray

__all__ = ["HELD_BYTES", "Distinct", "Numbered", "hash_rows"]

HELD_BYTES = 1 << 27
"""Distinct rows of earlier batches that are held, to compare later ones with."""
_PIECE = 1 << 25
"""Bytes that an accelerator multiplies or compares at once."""
_CACHED = 1 << 19
"""Bytes that a processor compares at once: few enough to stay in its cache."""
_ODD = -0x61C8864680B583EB
"""A multiplier that spreads the bits of a number: 2**64 over the golden ratio (Knuth 1973)."""


class Numbered(NamedTuple):
    """What `Distinct.add` says of rows (n, ...)."""

    numbers: IntArray
    """(n,) of each row."""
    new: IntArray
    """Positions of the rows seen for the first time, in the order of their numbers."""


class Distinct:
    """Numbers the distinct rows of all that it is shown, in the order of first appearance.

    Rows of earlier batches are held, the latest `held` bytes of them (None: all): a row that is
    equal only to one before these counts as new.
    """

    def __init__(self, held: int | None = HELD_BYTES) -> None:
        self._limit = held
        self._count = 0
        self._hashes = np.empty(0, dtype=np.int64)
        """Sorted."""
        self._owners = np.empty(0, dtype=np.intp)
        """The number of the row that each hash belongs to."""
        self._first: tuple[Tensor, IntArray, IntArray | None] | None = None
        """A single row that came first: it is looked at when others come."""
        self._held: deque[_Held] = deque()
        self._oldest = 0
        """The least number whose row is held."""

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Tensor, place: IntArray, hashes: IntArray | None = None) -> Numbered:
        """Number rows (n, ...) that stand at places (n,), or (n, K): beside what they are read.

        Rows are equal if all their values, bit by bit, and their places are.

        Parameters
        ----------
        hashes
            (n,) what `hash_rows` gives, where that is known.
        """
        if len(rows) == 1 and not self._count:  # a single case: there is none that it could equal
            self._first, self._count = (rows, place, hashes), 1
            return Numbered(np.zeros(1, dtype=np.intp), np.zeros(1, dtype=np.intp))
        if self._first is not None:
            first, self._first, self._count = self._first, None, 0
            self._number(*first)
        return self._number(rows, place, hashes)

    def _number(self, rows: Tensor, place: IntArray, hashes: IntArray | None) -> Numbered:
        own = _Held(self._count, words_of(rows), place if place.ndim > 1 else place[:, None])
        numbers = np.empty(len(rows), dtype=np.intp)
        left = np.arange(len(rows))
        keys = _with(hash_rows(rows) if hashes is None else hashes, own)
        while len(left):
            owners = self._claim(keys, left + self._count)
            same = self._same(own, left, owners)
            numbers[left[same]] = owners[same]
            left, keys = left[~same], keys[~same] * _ODD + 1
        return self._settle(own, numbers)

    def _claim(self, keys: IntArray, claims: IntArray) -> IntArray:
        """The row (m,) that owns each hash; where none is held that does, the first to claim it."""
        distinct, first = np.unique(keys, return_index=True)
        at = np.searchsorted(self._hashes, distinct)
        known = np.zeros(len(distinct), dtype=bool)
        inside = at < len(self._hashes)
        known[inside] = self._hashes[at[inside]] == distinct[inside]
        gone = np.flatnonzero(known)
        gone = gone[self._owners[at[gone]] < self._oldest]
        self._owners[at[gone]] = claims[first[gone]]
        self._hashes = np.insert(self._hashes, at[~known], distinct[~known])
        self._owners = np.insert(self._owners, at[~known], claims[first[~known]])
        return self._owners[np.searchsorted(self._hashes, keys)]

    def _same(self, own: _Held, left: IntArray, owners: IntArray) -> np.ndarray:
        """Whether rows of this batch are equal to those that own their hash."""
        same = owners == left + own.first
        earlier = self._held if (owners < own.first).any() else ()
        for one in (*earlier, own):
            which = np.flatnonzero(~same & (owners >= one.first) & (owners < one.end))
            if len(which):
                same[which] = _equal(own, left[which], one, owners[which] - one.first)
        return same

    def _settle(self, own: _Held, numbers: IntArray) -> Numbered:
        """Give the new rows their numbers, and hold them."""
        before, positions = self._count, np.arange(len(numbers))
        new = np.flatnonzero(numbers == positions + before)
        final = np.empty(len(numbers), dtype=np.intp)
        final[new] = before + np.arange(len(new))
        for claimed in (numbers, self._owners):
            own_rows = claimed >= before
            claimed[own_rows] = final[claimed[own_rows] - before]
        self._count += len(new)
        if len(new):
            self._hold(own if len(new) == len(numbers) else own.some(new))
        return Numbered(numbers, new)

    def _hold(self, own: _Held) -> None:
        self._held.append(own)
        size = sum(one.words.nbytes for one in self._held)
        while self._limit is not None and size > self._limit:
            size -= self._held.popleft().words.nbytes
        self._oldest = self._held[0].first if self._held else self._count


class _Held(NamedTuple):
    """Rows with numbers from `first` on."""

    first: int
    words: Tensor
    """(n, K) int64."""
    place: IntArray
    """(n, K')."""

    @property
    def end(self) -> int:
        return self.first + len(self.words)

    def some(self, which: IntArray) -> _Held:
        words = self.words[sent(which, self.words.device)]
        return _Held(self.first, words, self.place[which])


def hash_rows(rows: Tensor) -> IntArray:
    """(n,) hashes, int64, of rows (n, ...): equal for equal ones, hardly ever for others.

    A row is multiplied by random odd numbers and summed, modulo 2**64 (Carter and Wegman 1979).
    """
    words = words_of(rows)
    if words.device.type == "cpu":
        return np.asarray((words @ _factors(words.shape[1], words.device)).numpy())
    return np.asarray(sums_by_pieces(words).cpu().numpy())


def sums_by_pieces(words: Tensor) -> Tensor:
    """(n,) the same of words (n, K), where a device multiplies matrices of floats only."""
    factors = _factors(words.shape[1], words.device)
    pieces = _pieces(words, len(words), _PIECE)
    return torch.cat([(words[part] * factors).sum(dim=1) for part in pieces])


def _pieces(words: Tensor, count: int, size: int) -> list[slice]:
    """Parts of `count` rows as wide as words (n, K), of about `size` bytes each."""
    step = max(1, size // max(1, words.shape[1] * 8))
    return [slice(start, start + step) for start in range(0, max(1, count), step)]


def _with(hashes: IntArray, own: _Held) -> IntArray:
    """(n,) hashes of rows with their width and their places."""
    factors = _factors(own.place.shape[1] + 1, torch.device("cpu")).numpy()
    places = own.place.astype(np.int64) @ factors[1:]
    return (hashes + places) * _ODD + own.words.shape[1] * 2 + 1


def words_of(rows: Tensor) -> Tensor:
    """Rows (n, ...) as (n, K) whole numbers of 64 bits."""
    raw = rows.detach().flatten(1).contiguous().view(torch.uint8)
    missing = -raw.shape[1] % 8
    whole = torch.nn.functional.pad(raw, (0, missing)) if missing else raw
    return whole.view(torch.int64)


@lru_cache(maxsize=64)
def _factors(count: int, device: torch.device) -> Tensor:
    drawn = np.random.default_rng(0).integers(-(1 << 63), (1 << 63) - 1, count, dtype=np.int64)
    return sent(drawn | 1, device)


def _equal(own: _Held, mine: IntArray, other: _Held, theirs: IntArray) -> np.ndarray:
    """Whether some rows (m,) of one batch are those (m,) of another."""
    sizes = [(one.words.shape[1], one.place.shape[1]) for one in (own, other)]
    if sizes[0] != sizes[1]:
        return np.zeros(len(mine), dtype=bool)
    pairs = np.stack([mine, theirs])
    device, cpu = own.words.device, own.words.device.type == "cpu"
    pieces = [pairs[:, part] for part in _pieces(own.words, len(mine), _CACHED if cpu else _PIECE)]
    if cpu:  # where NumPy compares several times as fast
        here, there = own.words.numpy(), other.words.numpy()
        found = np.concatenate([(here[a] == there[b]).all(axis=1) for a, b in pieces])
    else:
        on = [sent(one, device) for one in pieces]
        equal = [(own.words[a] == other.words[b]).all(dim=1) for a, b in on]
        found = torch.cat(equal).cpu().numpy()
    return np.asarray(found & (own.place[mine] == other.place[theirs]).all(axis=1))
