"""Parquet files that are too large to be read whole: their cases, a block of rows at a time.

A block is whole cases of one file. In wide form each row is a case. In long form the column that
names the cases is read once, to see where each begins: its rows must stand together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tsprompt.base.files import exists, is_folder
from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.own_data.column_roles import Roles, find_roles
from tsprompt_datasets.own_data.columnar_table import ColumnarPart, ColumnarTable, kind_of_type
from tsprompt_datasets.own_data.columns import quoted, shown
from tsprompt_datasets.own_data.content import Content
from tsprompt_datasets.own_data.data_file import DataFile
from tsprompt_datasets.own_data.long import read_long
from tsprompt_datasets.own_data.options import NO_LABEL, ReadOptions
from tsprompt_datasets.own_data.same_columns import same_columns
from tsprompt_datasets.own_data.wide import read_wide

__all__ = ["CaseBlock", "CaseBlocks", "blocks_of", "read_block"]

_ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True)
class BlockFile:
    """A Parquet file, as it was when the blocks were made."""

    path: Path
    name: str
    """Its path inside the folder."""
    size: int
    """Bytes."""
    modified: int
    """Nanoseconds since 1970."""

    @classmethod
    def of(cls, path: Path, name: str) -> BlockFile:
        """The file as it is now."""
        state = path.stat()
        return cls(path, name, state.st_size, state.st_mtime_ns)


@dataclass(frozen=True)
class CaseBlock:
    """Some cases of one file, which stand in it one after the other."""

    file: BlockFile
    rows: range
    first: int
    """The number of the first case in its file, from 0 on."""
    cases: int
    """How many there are."""


@dataclass(frozen=True)
class CaseBlocks:
    """All blocks of some Parquet files, and how each of them is read."""

    files: tuple[BlockFile, ...]
    blocks: tuple[CaseBlock, ...]
    options: ReadOptions
    """Nothing is left to be inferred: what holds for one block holds for all."""
    label_type: str | None
    """The Arrow type of the label's column: `int64`, `double` or `string`; None: there is none."""

    @property
    def cases(self) -> int:
        """Cases of all blocks."""
        return sum(block.cases for block in self.blocks)


def blocks_of(source: Path, options: ReadOptions, like: dict[str, Any], size: int) -> CaseBlocks:
    """See which blocks of cases a Parquet file holds, or all those of a folder and its subfolders.

    Files and folders whose names begin with `.` or `_` are left out.

    Parameters
    ----------
    like
        `Content.columns` of the file that a model was fitted on, whose columns are wanted.
    size
        Cases of a block, at most.

    Raises
    ------
    DatasetError
        There is no Parquet file, one can't be read, its columns are not those of the first, or the
        rows of a case don't stand together.
    """
    files = _files(source.expanduser().absolute(), source)
    for file in files:
        _check_table(file)
    first = ColumnarPart(DataFile(files[0].path), range(min(size, _row_count(files[0]))))
    first.place = dataclasses.replace(first.place, name=files[0].name)
    roles = find_roles(first, same_columns(first, options, like) if like else options)
    schema = _schema(files[0])
    for file in files[1:]:
        _check_schema(file, files[0], schema, roles)
    whole = dataclasses.replace(
        options,
        label=roles.label or NO_LABEL,
        id=roles.id,
        time=roles.time,
        values=roles.values,
        layout=roles.layout,
        groups=None,
    )
    cut = _Long(roles.id or "", size).blocks if roles.layout == "long" else _Wide(size).blocks
    blocks = tuple(block for file in files for block in cut(file))
    label = None if roles.label is None else _plain_type(schema.field(roles.label).type)
    return CaseBlocks(files, blocks, whole, label)


def read_block(block: CaseBlock, options: ReadOptions) -> Content:
    """The cases of a block, by the options of its `CaseBlocks`.

    Raises
    ------
    DatasetError
        The file is no longer what it was, can't be seen from this machine, or holds what can't be
        read as cases.
    """
    try:
        now = BlockFile.of(block.file.path, block.file.name)
    except OSError as error:
        raise DatasetError(
            f"{block.file.path}: can't be read here ({error.strerror}); on a cluster, all machines "
            "must see the files under the same path"
        ) from None
    if now != block.file:
        raise DatasetError(
            f"{block.file.name}: has changed since its cases were counted; leave the files alone "
            "until all of them are read, and start again"
        )
    table = ColumnarPart(DataFile(block.file.path), block.rows)
    table.place = dataclasses.replace(table.place, name=block.file.name)
    read = read_long if options.layout == "long" else read_wide
    return read(table, find_roles(table, options), options)


def _files(path: Path, said: Path) -> tuple[BlockFile, ...]:
    if not exists(path):
        raise DatasetError(f"{said}: no such file or folder; check the path")
    if not is_folder(path):
        if path.suffix.lower() not in _ENDINGS:
            raise DatasetError(
                f"{said}: is no Parquet file ({', '.join(_ENDINGS)}), and only these can be read a "
                "block at a time; write it as one"
            )
        return (BlockFile.of(path, path.name),)
    found = []
    for one in sorted(path.rglob("*")):
        inside = one.relative_to(path)
        hidden = any(part.startswith((".", "_")) for part in inside.parts)
        if not hidden and one.suffix.lower() in _ENDINGS and one.is_file():
            found.append(BlockFile.of(one, inside.as_posix()))
    if not found:
        raise DatasetError(
            f"{said}: holds no Parquet file ({', '.join(_ENDINGS)}), and only these can be read a "
            "block at a time"
        )
    return tuple(found)


def _check_table(file: BlockFile) -> None:
    """See that a file is a table."""
    held = DataFile(file.path)
    held.check()
    held.check_magic((b"PAR1",))
    ColumnarTable(held)


def _schema(file: BlockFile) -> Any:
    from pyarrow import parquet

    return parquet.read_schema(file.path)


def _row_count(file: BlockFile) -> int:
    from pyarrow import parquet

    return int(parquet.read_metadata(file.path).num_rows)


def _check_schema(file: BlockFile, first: BlockFile, schema: Any, roles: Roles) -> None:
    """See that a file has the columns of the first, and those that are read with their types."""
    own = _schema(file)
    for name in schema.names:
        if name not in own.names:
            raise _changed(file, first, name, "is not there", "both files need the same columns")
    for name in own.names:
        if name not in schema.names:
            raise _changed(file, first, name, "is new", "both files need the same columns")
    for name in (roles.id, roles.label, roles.time, *roles.values):
        if name is None:
            continue
        now, then = own.field(name).type, schema.field(name).type
        same = kind_of_type(now) == kind_of_type(then)
        if name == roles.label:
            same = _plain_type(now) == _plain_type(then)
        if not same:
            said = f"is of type {now}, and there of type {then}"
            raise _changed(file, first, name, said, "write both with the same type")


def _changed(file: BlockFile, first: BlockFile, name: str, what: str, remedy: str) -> DatasetError:
    return DatasetError(
        f"{file.name}: its columns are not those of {first.name}: {quoted(name)} {what}; {remedy}, "
        "or give the files in folders of their own"
    )


def _plain_type(kind: Any) -> str:
    """What labels of an Arrow type are written as."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind):
        return "int64"
    return "double" if pa.types.is_floating(kind) else "string"


@dataclass
class _Wide:
    """Cuts tables with a row for each case."""

    size: int

    def blocks(self, file: BlockFile) -> Iterator[CaseBlock]:
        """Those of a file. Where a row group ends in the second half of a block, the block ends
        with it: then no row group is read for the sake of a few rows."""
        from pyarrow import parquet

        held = parquet.read_metadata(file.path)
        sizes = [held.row_group(i).num_rows for i in range(held.num_row_groups)]
        ends, start = np.cumsum(sizes), 0
        while start < held.num_rows:
            stop = min(start + self.size, held.num_rows)
            inside = ends[(ends > start + self.size // 2) & (ends <= stop)]
            stop = int(inside[-1]) if len(inside) else stop
            yield CaseBlock(file, range(start, stop), start, stop - start)
            start = stop


class _Long:
    """Cuts tables with a row for each timestep, where another case begins."""

    def __init__(self, id: str, size: int) -> None:
        self.id, self.size = id, size
        self.seen: dict[str, str] = {}
        """Case -> its file."""

    def blocks(self, file: BlockFile) -> Iterator[CaseBlock]:
        """Those of a file."""
        starts = [*self._starts(file), _row_count(file)]
        for first in range(0, len(starts) - 1, self.size):
            last = min(first + self.size, len(starts) - 1)
            yield CaseBlock(file, range(starts[first], starts[last]), first, last - first)

    def _starts(self, file: BlockFile) -> Iterator[int]:
        """The rows at which a case begins."""
        from pyarrow import parquet

        at, last = 0, None
        with parquet.ParquetFile(file.path) as opened:
            for batch in opened.iter_batches(columns=[self.id]):
                names = batch.column(batch.schema.get_field_index(self.id)).cast("string")
                held = np.array(names.to_pylist(), dtype=object)
                changes = np.flatnonzero(np.r_[held[0] != last or at == 0, held[1:] != held[:-1]])
                for row in changes.tolist():
                    self._check_new(held[row], file, at + row)
                    yield at + row
                at, last = at + len(held), held[-1]

    def _check_new(self, name: Any, file: BlockFile, row: int) -> None:
        """See that no other rows are of this case."""
        other = self.seen.setdefault(str(name), f"{file.name}, row {row + 1}")
        if other != f"{file.name}, row {row + 1}":
            raise DatasetError(
                f"{file.name}, row {row + 1}: case {shown(name)} ({quoted(self.id)}) comes back, "
                f"it began in {other}; read a block at a time, the rows of a case must stand "
                "together in one file: sort the rows by ",
                Setting("id"),
                ", or give other cases ids of their own",
            )
