"""Passes read together: rows of several prompts, and of several models, go through in one batch.

A single model's passes come this way, and so do those of all models in a socket. Rows that are the
same input (same tokens in the same frame) are run once for all who want them, as deep as the
deepest of them reads; the others take their layers on the way. Rows of one length that go equally
deep fill batches together. What a row gives does not depend on those beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.base.accelerator import Mark, between, mark, sent
from tsprompt.data import IntArray
from tsprompt.reading.distinct import Distinct
from tsprompt.reading.passes import Pass, Said, Work

__all__ = ["TOGETHER_CASES", "read_passes", "read_works"]

_FEW_CASES = 1_024
"""All passes are read at once where they have no more cases than this: else what one pass makes of
its cases is handed over before the next one begins."""
TOGETHER_CASES = 16
"""Up to so many cases, tokenizers make their tokens at once: of more, calls are the lesser part."""
_BEGIN = 8
"""Numbers by which two rows are told apart at first."""
_FEW_ROWS = 64
"""Up to so many rows of several prompts are pooled at once."""
_HELD_BYTES = 1 << 25
"""Tokens that wait for others to be read with."""


def read_passes(passes: Sequence[Pass]) -> Iterator[Pass]:
    """Read all cases of some passes; each is given back when nothing of it is left to read."""
    for some in _at_once(passes):
        works: list[Work] = []
        held = 0
        for alike, index, tokens in _tokenised(_classed(some, _tokens_of)):
            hashes = alike[0].hashes(tokens) if len(alike) > 1 or len(index) > 1 else None
            for one in alike:
                works += one.works(index, tokens, hashes=hashes)
            held += tokens.nbytes
            if held > _HELD_BYTES:
                read_works(works)
                works, held = [], 0
        read_works(works)
        yield from some


def _tokenised(classes: list[list[Pass]]) -> Iterator[tuple[list[Pass], IntArray, Tensor]]:
    """Passes that have the same tokens, the positions of some of their cases (b,), and the tokens
    of these. What several tokenizers make of the same few cases is made at once."""
    for same in _classed(classes, lambda alike: (id(alike[0].reader), id(alike[0].cases))):
        first = same[0][0]
        if len(same) > 1 and len(first.cases) <= TOGETHER_CASES:
            tokenizers = [alike[0].reading.tokenizer for alike in same]
            for index, made in first.reader.tokenise_together(tokenizers, first.cases):
                for alike, tokens in zip(same, made, strict=True):
                    yield alike, index, tokens
            continue
        for alike in same:
            for index, tokens in alike[0].chunks():
                yield alike, index, tokens


def _at_once(passes: Sequence[Pass]) -> Iterable[list[Pass]]:
    if sum(len(one.cases) for one in passes) <= _FEW_CASES:
        return [list(passes)]
    return _classed(passes, lambda one: (_tokens_of(one), one.said_around))


def _tokens_of(one: Pass) -> Any:
    """Passes for which this is equal have the same tokens. (What depends on the weights of the
    model is its words alone, or all that is in it.)"""
    backbone = one.backbone
    reads_words = one.reading.tokenizer.makes == "words"
    embeds = backbone.word_vectors.data_ptr() if reads_words else id(backbone)
    return id(one.reading.tokenizer), id(one.cases), embeds, one.reader.scope


def _classed(items: Iterable[Any], key: Any) -> list[list[Any]]:
    """The items whose keys are equal together, in the order of first appearance."""
    classes: dict[Any, list[Any]] = {}
    for one in items:
        classes.setdefault(key(one), []).append(one)
    return list(classes.values())


# --- what is run ---


@dataclass
class _Asked:
    """Rows that are run, and who wants to know what the model says about them."""

    takers: list[tuple[Work, IntArray]]
    """Each with the positions (r,) of these rows among its own; the rows are those of the first."""

    @property
    def first(self) -> Work:
        return self.takers[0][0]

    @property
    def which(self) -> IntArray:
        """(r,) positions among the rows of the first."""
        return self.takers[0][1]

    @property
    def layers(self) -> tuple[int, ...]:
        """All that anybody reads."""
        return tuple(sorted({layer for work, _ in self.takers for layer in work.owner.layers}))

    @property
    def reads_data(self) -> bool:
        """Whether anybody looks at the data tokens."""
        return any(work.owner.reads_data for work, _ in self.takers)

    @property
    def reads_answer(self) -> bool:
        """Whether anybody looks at the mask."""
        return any(work.owner.reads_answer for work, _ in self.takers)

    @property
    def by_itself(self) -> bool:
        """Whether the rows are read with more than what is laid out for them."""
        return not self.first.owner.context.lays_out_all


def read_works(works: Sequence[Work]) -> None:
    """Run all rows of some works, each input once, and hand out what the model says."""
    backbones = {one.owner.backbone for one in works}
    deepest = {one: _deepest(one, backbones) for one in backbones}
    for alike in _classed(works, lambda one: id(deepest[one.owner.backbone])):
        able = sorted({one.owner.backbone for one in alike}, key=lambda one: one.depth)
        runs = [(one, _runner(one, able)) for one in _asked(alike)]
        for batch in _classed(runs, _fits_with):
            asked = [one for one, _ in batch]
            if asked[0].by_itself:
                _run_alone(asked[0].first)
            else:
                _run(asked, batch[0][1])
    for one in works:
        if not len(one.rows):
            one.take(np.arange(0), None)


def _deepest(backbone: Backbone, others: set[Backbone]) -> Backbone:
    """The deepest of those that are this one and more."""
    return max((one for one in others if one.holds(backbone)), key=lambda one: one.depth)


def _asked(works: list[Work]) -> list[_Asked]:
    """What is to be run for works on one model: the same inputs once."""
    seen_twice = np.empty(0, dtype=np.int64) if _differ(works) else _repeated(works)

    def frame(work: Work) -> Any:
        if not len(seen_twice) or not work.owner.context.lays_out_all:
            return id(work)
        return work.frame if np.isin(work.hashes, seen_twice).any() else id(work)

    return [asked for same in _classed(works, frame) for asked in _shared(same)]


def _differ(works: list[Work]) -> bool:
    """Whether the works have a row each, which are told apart by how they begin: of a single case
    this takes a fifth of the time of hashes."""
    if any(len(one.rows) != 1 or one.rows.device.type != "cpu" for one in works):
        return False
    begin = {tuple(one.rows.flatten()[:_BEGIN].tolist()) for one in works}
    return len(begin) == len(works)


def _repeated(works: list[Work]) -> IntArray:
    """The hashes that occur more than once."""
    hashes = np.concatenate([one.hashes for one in works])
    distinct, times = np.unique(hashes, return_counts=True)
    return distinct[times > 1]


def _shared(works: list[Work]) -> list[_Asked]:
    """Rows of works in the same frame, sorted by who wants them."""
    if len(works) == 1:
        return [_Asked([(works[0], np.arange(len(works[0].rows)))])]
    known = Distinct(held=None)
    numbers = [known.add(one.rows, one.at, one.hashes).numbers for one in works]
    # Where each distinct row stands in each work; -1: nowhere.
    table = np.full((len(works), len(known)), -1, dtype=np.intp)
    for own, each in zip(table, numbers, strict=True):
        own[each] = np.arange(len(each))
    wanted, first, kind = np.unique(table >= 0, axis=1, return_index=True, return_inverse=True)
    return [
        _Asked([(works[i], table[i, kind.ravel() == one]) for i in np.flatnonzero(wanted[:, one])])
        for one in np.argsort(first)
    ]


def _runner(asked: _Asked, able: list[Backbone]) -> Backbone:
    """The shallowest model that is deep enough."""
    return next(one for one in able if one.depth >= asked.layers[-1] or one.passes_through)


def _fits_with(run: tuple[_Asked, Backbone]) -> Any:
    """Rows for which this is equal can be in one batch."""
    asked, backbone = run
    if asked.by_itself:
        return id(asked)
    deep = asked.first.owner.reading.prompt.deep
    around = None if deep is None else asked.first.owner.said_around
    return id(backbone), asked.first.length, around


def _run_alone(work: Work) -> None:
    """Run rows whose context brings more than their template."""
    reader, own = work.owner.reader, work.owner

    def step(part: slice) -> tuple[list[tuple[Work, IntArray]], _Marks, Kept]:
        which = np.arange(part.start, part.stop)
        begun = mark(reader.backbone.device)
        said = reader.read(
            work.rows[part],
            work.place[part],
            work.prompt,
            own.vectors,
            own.layers,
            context=own.context,
            beside=work.beside[part],
        )
        told = mark(reader.backbone.device)
        kept = work.keep(said)
        return [(work, which)], (begun, told, mark(reader.backbone.device)), [(work, which, kept)]

    _hand_out(reader.batch.run(len(work.rows), work.length, step))


Kept = list[tuple[Work, IntArray, Any]]
_Marks = tuple[Mark, Mark, Mark]
"""When a batch was begun, when the model had read it, and when of that was kept what is."""


def _run(asked: list[_Asked], backbone: Backbone) -> None:
    """Run rows of one length that go equally deep."""
    ends = np.cumsum([len(one.which) for one in asked])
    layers = tuple(sorted({layer for one in asked for layer in one.layers}))

    def step(part: slice) -> tuple[list[tuple[Work, IntArray]], _Marks, Kept]:
        pieces = list(_pieces(asked, ends, part))
        begun = mark(backbone.device)
        picks, counts, states = _told(pieces, backbone, layers)
        told = mark(backbone.device)
        if _are_pooled_alike(pieces, picks, sum(counts)):
            own = pieces[0][0].first.owner.layers  # of this batch; others of `asked` may read more
            told_of = [states[layers.index(layer)] for layer in own]
            kept = list(_keep_all(pieces, picks[0], counts, told_of))
        else:
            parts = zip(*(one.split(counts) for one in states), strict=True)
            kept = [
                one
                for (piece, rows), pick, part in zip(pieces, picks, parts, strict=True)
                for one in _keep(piece, rows, pick.of, dict(zip(layers, part, strict=True)))
            ]
        run = [(piece.first, piece.which[rows]) for piece, rows in pieces]
        return run, (begun, told, mark(backbone.device)), kept

    first = asked[0].first
    _hand_out(first.owner.reader.batch.run(int(ends[-1]), first.length, step))


def _hand_out(batches: Iterable[tuple[list[tuple[Work, IntArray]], _Marks, Kept]]) -> None:
    """Give to each work what is kept for it, and count what was run and how long that took.

    Batches of a processor run side by side: each takes its part of the time that passes. A device
    is asked for its times when all is said, so that it is never waited for before.
    """
    later: list[tuple[list[tuple[Work, IntArray]], _Marks]] = []
    start = time.perf_counter()
    for run, marks, kept in batches:
        if isinstance(marks[0], float):
            share = between(*marks[:2]) / between(marks[0], marks[2])
            _count(run, share * (time.perf_counter() - start))
        else:
            later.append((run, marks))
        for work, which, one in kept:
            work.take(which, one)
        start = time.perf_counter()
    for run, (begun, told, _) in later:
        _count(run, between(begun, told))


def _count(run: list[tuple[Work, IntArray]], seconds: float) -> None:
    each = seconds / sum(len(which) for _, which in run)
    for work, which in run:
        work.count(which, each * len(which))


def _pieces(asked: list[_Asked], ends: IntArray, part: slice) -> Iterator[tuple[_Asked, slice]]:
    """The rows of a batch: whose they are, and which of theirs."""
    for one, end in zip(asked, ends.tolist(), strict=True):
        start = end - len(one.which)
        low, high = max(part.start, start), min(part.stop, end)
        if low < high:
            yield one, slice(low - start, high - start)


class Pick(NamedTuple):
    """What picks out of hidden states, one for each layer."""

    of: Callable[[list[Tensor]], Said]
    """Gives what is said at the data tokens and at the mask."""
    like: tuple[int, int] | None = None
    """Where this is equal, and not None, the same is picked."""


def _told(
    pieces: list[tuple[_Asked, slice]], backbone: Backbone, layers: tuple[int, ...]
) -> tuple[list[Pick], list[int], list[Tensor]]:
    """What picks out of the hidden states of each piece, how many rows it has, and the states of
    all rows for each layer."""
    laid = [piece.first.laid_out(_some(piece, rows)) for piece, rows in pieces]
    filled = [one for _, one in laid]
    readers = [piece.first.owner.reader for piece, _ in pieces]
    picks: list[Pick] = [
        Pick(partial(own.pick, template=template))
        for own, (template, _) in zip(readers, laid, strict=True)
    ]
    at = None
    if backbone.skips:
        read = [
            own.wanted(template, data=piece.reads_data, answer=piece.reads_answer)
            for own, (template, _), (piece, _) in zip(readers, laid, pieces, strict=True)
        ]
        at = sent(_side_by_side(read, [len(rows) for rows in filled]), backbone.device)
        picks = [
            Pick(partial(own.picked, data=len(data), answer=len(answer)), (len(data), len(answer)))
            for own, (data, answer) in zip(readers, read, strict=True)
        ]
    deep = pieces[0][0].first.owner.reading.prompt.deep
    given = filled[0] if len(filled) == 1 else torch.cat(filled)
    states = backbone.run(given, layers, deep, at=at)
    return picks, [len(own) for own in filled], states


def _side_by_side(read: list[tuple[IntArray, IntArray]], counts: list[int]) -> IntArray:
    """(B, K) the positions that are read of pieces with so many rows; where others have more, some
    are read again."""
    joined = [np.concatenate(one) for one in read]
    most = max(map(len, joined))
    return np.repeat(np.stack([np.resize(one, most) for one in joined]), counts, axis=0)


def _some(piece: _Asked, rows: slice) -> Any:
    """What picks these rows out of those of the first taker: a slice, where it takes all."""
    return rows if len(piece.which) == len(piece.first.rows) else piece.which[rows]


def _are_pooled_alike(pieces: list[tuple[_Asked, slice]], picks: list[Pick], rows: int) -> bool:
    """Whether the same is kept of all of a few rows of several prompts: at once, as calls are most
    of the time that it takes."""
    works = [piece.first for piece, _ in pieces]
    first, like = works[0], picks[0].like
    return (
        len(pieces) > 1 and rows <= _FEW_ROWS and like is not None and first.pooled_as is not None
    ) and all(
        (work.pooled_as, work.owner.layers, pick.like)
        == (first.pooled_as, first.owner.layers, like)
        and len(piece.takers) == 1
        for work, pick, (piece, _) in zip(works, picks, pieces, strict=True)
    )


def _keep_all(
    pieces: list[tuple[_Asked, slice]], pick: Pick, counts: list[int], states: list[Tensor]
) -> Iterator[tuple[Work, IntArray, Any]]:
    """What is kept of pieces that are pooled alike."""
    kept = pieces[0][0].first.keep(pick.of(states)).split(counts)
    for (piece, rows), own in zip(pieces, kept, strict=True):
        yield piece.first, piece.which[rows], own


def _keep(
    piece: _Asked, rows: slice, pick: Callable[[list[Tensor]], Said], states: dict[int, Tensor]
) -> Iterator[tuple[Work, IntArray, Any]]:
    """What each taker keeps of the states of a piece, by their layer."""
    picked: dict[tuple[int, ...], Said] = {}
    for work, which in piece.takers:
        own = work.owner
        if own.layers not in picked:
            read = [states[layer] for layer in own.layers]
            picked[own.layers] = pick(read)
        yield work, which[rows], work.keep(picked[own.layers])
