"""Passes: some cases under one prompt, of which only distinct rows are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tsprompt import progress
from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt, Template
from tsprompt.base.accelerator import sent
from tsprompt.data import Cases, IntArray
from tsprompt.reading.distinct import Distinct, hash_rows

if TYPE_CHECKING:
    from tsprompt.reading.reader import Reader, Reading

__all__ = ["Chunk", "Pass", "Said", "Work", "by_case", "by_query", "nothing_beside"]

_GATHER_CASES = 256
"""Cases whose step vectors are pooled at once."""

Said = tuple[Tensor, Tensor]
"""Hidden states at the data tokens (b, N', K, D) and at the mask (b, N', M, D), N' layers."""
Chunk = tuple[IntArray, Tensor]
"""Positions of cases (b,) and their tokens (b, S, W) or (b, S, W, D)."""


def nothing_beside(rows: Tensor) -> IntArray:
    """(r, 0): nothing is chosen beside r rows."""
    return np.zeros((len(rows), 0), dtype=np.intp)


def by_case(vectors: Tensor) -> Said:
    """Mask vectors (b, S, N', D) of cases read step by step: they are data and mask at once."""
    said = vectors.transpose(1, 2)
    return said, said


def by_query(said: Tensor, each: int) -> Tensor:
    """(r, N', each * K, D) of (r * each, N', K, D): the rows of a query side by side."""
    return said.unflatten(0, (-1, each)).transpose(1, 2).flatten(2, 3)


class Pass:
    """One pass over cases: only distinct rows are run, and what they say is kept by number."""

    def __init__(
        self,
        reader: Reader,
        reading: Reading,
        cases: Cases,
        stage: str = "reading",
        *,
        train: bool = False,
        keep: bool = False,
    ) -> None:
        """`keep` keeps the tokens of the cases for the pass that comes next; `train`: the cases are
        those that the context was fitted on."""
        self.reader, self.reading, self.cases, self.stage = reader, reading, cases, stage
        self.context = reader.introduce(reading)
        self.train, self.keep = train, keep
        self.done = 0.0
        self.vectors = reading.prompt.fill(reader.backbone)
        self.distinct = Distinct()
        self.numbers: list[tuple[IntArray, IntArray]] = []
        self.kept: list[tuple[IntArray, Any]] = []
        """Numbers of rows (r,), and what is kept of what the model says about them."""
        self.series = reader.scope == "series"

    @property
    def backbone(self) -> Backbone:
        """What reads."""
        return self.reader.backbone

    @property
    def layers(self) -> tuple[int, ...]:
        """Those that are read."""
        return self.reading.layers

    @property
    def reads_data(self) -> bool:
        """Whether anything looks at what is said at the data tokens."""
        return self.series and self.reading.readout.reads_data

    @property
    def reads_answer(self) -> bool:
        """Whether anything looks at what is said at the mask; steps that are read alone are pooled
        there."""
        return not self.series or self.reading.readout.reads_answer

    def chunks(self) -> Iterator[Chunk]:
        """The tokens of all cases."""
        tokens = self.reader.keep_tokens if self.keep else self.reader.tokenise
        return tokens(self.reading.tokenizer, self.cases)

    @cached_property
    def said_around(self) -> bytes:
        """A digest of the prompt: what fills its slots, and what each layer hears besides."""
        digest = hashlib.sha256()
        for one in (self.vectors, self.reading.prompt.deep):
            digest.update(b"" if one is None else str(tuple(one.shape)).encode() + _bytes(one))
        return digest.digest()

    def features(self) -> Tensor:
        """(B, R) of all cases, once their rows have been read."""
        return self.gather(self.kept)

    def hashes(self, tokens: Tensor) -> IntArray:
        """Of the rows that these tokens (b, S, W[, D]) are read in."""
        return hash_rows(self.reader.rows(tokens)[0])

    def works(
        self,
        index: IntArray,
        tokens: Tensor,
        keep: Callable[[Said], Any] | None = None,
        hashes: IntArray | None = None,
    ) -> list[Work]:
        """The rows among these cases that are new to this pass, those that are laid out alike
        together; `keep`: as `Work` has it."""
        reader = self.reader
        rows, place = reader.rows(tokens)
        beside = nothing_beside(rows)
        if self.series:
            beside = self.context.choose(tokens, index if self.train else None, reader.backbone)
        at = place if reader.strategy.by_step else place * 0
        at = np.column_stack([at, beside])
        first = len(self.distinct)
        numbers, new = self.distinct.add(rows, at, hashes)
        self.numbers.append((index, numbers))
        if len(new) < len(rows):
            rows, place = rows[sent(new, rows.device)], place[new]
            beside, at = beside[new], at[new]
            hashes = None if hashes is None else hashes[new]
        slots = reader.slots(self.vectors, rows.shape[1], place)
        positions = reader.positions(rows, slots, self.context, beside)
        number = first + np.arange(len(rows))
        share = len(index) / len(rows) if len(rows) else 0.0
        return [
            Work(
                owner=self,
                prompt=prompt,
                rows=rows[which],
                place=place[which],
                beside=beside[which],
                at=at[which],
                known_hashes=None if hashes is None else hashes[which],
                positions=positions[which],
                numbers=number[which],
                keep=keep or self.pool,
                pooled_as=None if keep or not self.series else self.reading.readout.pools_as,
                cases=share * len(number[which]) if len(rows) else len(index),
            )
            for which, prompt in self.reading.prompt.laid_alike(place)
        ]

    def pool(self, said: Said) -> Tensor:
        """Of a row: its features (r, R); of a step read alone: its mask vectors (r, N', D)."""
        return self.reading.readout.pool(*said) if self.series else said[1].squeeze(2)

    def gather(self, kept: list[tuple[IntArray, Tensor]]) -> Tensor:
        """Features (B, R) of all cases, from what is kept of their rows."""
        said = kept[0][1] if len(kept) == 1 else torch.cat([one for _, one in kept])
        # Where each row stands among what is kept, by its number.
        place = np.argsort(np.concatenate([numbers for numbers, _ in kept]))
        back = np.argsort(np.concatenate([index for index, _ in self.numbers]))
        if self.series:
            numbers = np.concatenate([each for _, each in self.numbers])
            return _picked(said, place[numbers[back]])
        tables = [place[numbers.reshape(len(index), -1)] for index, numbers in self.numbers]
        features = [
            self.reading.readout.pool(*by_case(said[part]))
            for table in tables
            for part in sent(table, said.device).split(_GATHER_CASES)
        ]
        return _picked(torch.cat(features), back)


@dataclass
class Work:
    """Rows that a pass wants the model to read."""

    owner: Pass
    prompt: Prompt
    """As it is laid out for these rows."""
    rows: Tensor
    """(r, S', W[, D])"""
    place: IntArray
    """(r,) the steps that they stand at."""
    beside: IntArray
    """(r, K) what the context has chosen for them."""
    at: IntArray
    """(r, 1 + K) what tells equal rows apart: the step, if the prompt is another for each, and what
    is beside them."""
    known_hashes: IntArray | None
    """(r,) of the rows alone, if they have been made."""
    positions: IntArray
    """(r,) L."""
    numbers: IntArray
    """(r,) of the rows in their pass."""
    keep: Callable[[Said], Any]
    """Makes of what is said about rows what is to be kept."""
    pooled_as: Hashable
    """Works for which this is equal, and not None, keep the same of what is said."""
    cases: float
    """How many cases have brought them."""
    _before: float = field(init=False)
    _read: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._before = self.owner.done
        self.owner.done += self.cases

    @cached_property
    def hashes(self) -> IntArray:
        """(r,) of the rows alone."""
        return hash_rows(self.rows) if self.known_hashes is None else self.known_hashes

    @property
    def length(self) -> int:
        """The longest L."""
        return int(self.positions.max(initial=1))

    def laid_out(self, part: Any) -> tuple[Template, Tensor]:
        """The template of some of the rows, and what stands in it (r', L, D)."""
        own = self.owner
        said = self.prompt, own.vectors, own.context
        return own.reader.lay_out(self.rows[part], self.place[part], *said)

    @property
    def frame(self) -> bytes:
        """A digest of all that the model reads with each row: rows of equal keys in equal frames
        are the same input."""
        template, _ = self.laid_out(slice(0, 0))
        own = self.owner
        digest = hashlib.sha256(own.said_around)
        told = (str(self.rows.dtype), own.reader.scope, own.reader.strategy.by_step, template.frame)
        digest.update(repr((*told, template.mask, template.masks)).encode())
        for places in (template.prompt, template.data, template.markers):
            digest.update(str(places.shape).encode() + places.tobytes())
        marks = own.context.markers(template, own.backbone)
        digest.update(b"" if marks is None else _bytes(marks))
        return digest.digest()

    def take(self, which: IntArray, kept: Any) -> None:
        """What is kept of some of the rows (r',); of none, where no row is new."""
        own = self.owner
        if len(which):
            own.kept.append((self.numbers[which], kept))
        self._read += len(which)
        share = self._read / len(self.rows) if len(self.rows) else 1.0
        progress.report(own.stage, self._before + self.cases * share, len(own.cases))

    def count(self, which: IntArray, seconds: float) -> None:
        """That these rows were run, and took so long."""
        self.owner.reader.count(self.positions[which])
        self.owner.reader.seconds += seconds


def _picked(rows: Tensor, which: IntArray) -> Tensor:
    """Some rows of a table; the table itself, if it is all of them in their order."""
    if np.array_equal(which, np.arange(len(rows))):
        return rows
    return rows[sent(which, rows.device)]


def _bytes(values: Tensor) -> bytes:
    return values.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
