"""Tables that may be too large for memory, read and made some rows at a time.

A table that is large, or that lies in a file of a scratch folder, is gone through in blocks of
rows; what is made of it lies beside it, in a file of the same folder. A small table in memory is
one block. So whoever learns from a table by these functions learns from either.

| letter | counts |
|---|---|
| B | rows of a table |
| b | rows of a block |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from tsprompt.base.scratch import let_go, row_blocks, scratch_of

__all__ = ["at_once", "blocks", "collected", "mapped", "picked", "placed", "read", "stacked"]

_WHOLE_BYTES = 1 << 28
"""A table in memory of more than this, 256 MiB, is gone through in blocks."""


def at_once(table: Tensor) -> bool:
    """Whether a table (B, ...) is one block."""
    return scratch_of(table) is None and table.nbytes <= _WHOLE_BYTES


def read(table: Tensor, rows: Tensor | slice) -> Tensor:
    """Some rows (b, ...) of a table, as float32 where it holds bfloat16."""
    some = table[rows]
    return some.to(torch.float32) if some.dtype == torch.bfloat16 else some


def blocks(table: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """All rows, some (b, ...) at a time, and which they are; a file's need not stay in memory."""
    if at_once(table):
        yield slice(0, len(table)), read(table, slice(None))
        return
    for rows in row_blocks(table):
        yield rows, read(table, rows)


def collected(table: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """What is made of each block (b, ...), all of it (B, ...) in memory: for what is small."""
    parts = [make(some) for _, some in blocks(table)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def mapped(table: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """What is made of each block (b, ...), all of it (B, ...) where the table lies.

    Raises
    ------
    TspromptError
        The disk has no room for it.
    """
    scratch = scratch_of(table)
    if scratch is None:
        return collected(table, make)
    made: Tensor | None = None
    for rows, some in blocks(table):
        part = make(some)
        if made is None:
            shape = part.shape[1:]
            made = scratch.table(len(table), shape.numel(), part.dtype).view(len(table), *shape)
        made[rows] = part
        let_go(made)
    assert made is not None  # an empty table has no file
    return made


def picked(table: Tensor, rows: Tensor) -> Tensor:
    """Some rows (n, ...) of a table, in this order, where the table lies; the table itself, if it
    is all of them in theirs.

    Raises
    ------
    TspromptError
        The disk has no room for them.
    """
    if len(rows) == len(table) and bool((rows.diff() == 1).all()):
        return table
    scratch = scratch_of(table)
    if scratch is None:
        return table[rows.to(table.device)]
    shape = table.shape[1:]
    made = scratch.table(len(rows), shape.numel(), table.dtype).view(len(rows), *shape)
    for part in row_blocks(made):
        made[part] = table[rows[part]]
        let_go(table)
    return made


def placed(tables: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The rows of some tables (n, R), each with the numbers (n,) that they have in the whole
    (B, R), where the first one lies.

    Raises
    ------
    TspromptError
        The disk has no room for them.
    """
    _, first = tables[0]
    scratch, shape = scratch_of(first), (sum(len(rows) for rows, _ in tables), first.shape[1])
    made = first.new_empty(shape) if scratch is None else scratch.table(*shape, first.dtype)
    for rows, one in tables:
        for part in row_blocks(one):
            made[rows[part].to(made.device)] = one[part].to(made)
            let_go(made)
    return made


def stacked(tables: Sequence[Tensor]) -> Tensor:
    """The rows of some tables (B, R), one below the other, where the first one lies.

    Raises
    ------
    TspromptError
        The disk has no room for them.
    """
    first = tables[0]
    scratch = scratch_of(first)
    if scratch is None:
        return torch.cat([one.to(first) for one in tables])
    numbers = torch.arange(sum(map(len, tables))).split([len(one) for one in tables])
    return placed(list(zip(numbers, tables, strict=True)))
