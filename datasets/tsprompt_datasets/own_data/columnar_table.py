"""Tables that keep columns together: Parquet and Feather, read by column, types as they are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tsprompt.errors import Setting
from tsprompt_datasets.own_data.columns import Column, Kind, Place, listed, quoted, shown
from tsprompt_datasets.own_data.data_file import DataFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

__all__ = ["COLUMNAR", "ColumnarPart", "ColumnarTable", "kind_of_type"]

_SAMPLE = 200
COLUMNAR = (".parquet", ".pq", ".feather", ".arrow")
"""Endings of these files."""


class ColumnarTable:
    """A Parquet or Feather file as a table."""

    def __init__(self, file: DataFile) -> None:
        """Read the columns' names, types and first rows.

        Raises
        ------
        DatasetError
            It is of another format, damaged, or holds no row.
        """
        self.file, self.place = file, Place(file.name)
        with self._reading():
            schema, sample = self._begin()
            sample.validate(full=True)
            self.names: list[str] = schema.names
        if not sample.num_rows:
            raise self.place.error("holds no row; give a file with cases")
        if len(set(self.names)) < len(self.names):
            raise self.place.error("two columns have the same name; give each one of its own")
        self.columns = [
            Column(name, kind_of_type(schema.field(name).type), _texts(sample.column(name)))
            for name in self.names
        ]

    @property
    def _parquet(self) -> bool:
        return self.file.suffix in (".parquet", ".pq")

    @property
    def _source(self) -> Any:
        """What pyarrow opens: the path, or the bytes that are held."""
        import pyarrow as pa

        held = self.file.held
        return self.file.path if held is None else pa.BufferReader(held)

    def _begin(self) -> tuple[Any, Any]:
        import pyarrow as pa
        from pyarrow import feather, parquet

        if self._parquet:
            with parquet.ParquetFile(self._source) as opened:
                batches = itertools.islice(opened.iter_batches(batch_size=_SAMPLE), 1)
                return opened.schema_arrow, pa.Table.from_batches(batches, opened.schema_arrow)
        table = feather.read_table(self._source, memory_map=True)
        return table.schema, table.slice(0, _SAMPLE)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        import pyarrow as pa

        what = "Parquet" if self._parquet else "Feather"
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            said = shown(str(error).partition("\n")[0], 160)[1:-1]
            raise self.place.error(
                f"is no {what} file that can be read ({said}); write it anew, or correct its ending"
            ) from None

    def load(
        self, *, texts: Sequence[str] = (), numbers: Sequence[str] = (), others: Sequence[str] = ()
    ) -> pa.Table:
        """These columns whole: text as dictionaries, numbers as float64, others as they are.

        Raises
        ------
        DatasetError
            A column of numbers holds something else.
        """
        import pyarrow as pa

        wanted = list(dict.fromkeys([*texts, *numbers, *others]))
        with self._reading():
            table = self._read(wanted)
            table.validate(full=True)  # a damaged file's text may be none, its lists anywhere
        kinds = {column.name: column.kind for column in self.columns}
        wrong = [name for name in numbers if kinds[name] not in ("number", "list", "empty")]
        if wrong:
            raise self.place.error(
                f"{listed(wrong)} hold{'s' if len(wrong) == 1 else ''} no numbers; write numbers, "
                "or leave them out with ",
                Setting("values"),
            )
        for name in numbers:
            if kinds[name] != "list":
                table = self._cast(table, name, pa.float64())
        for name in texts:
            table = self._cast(table, name, pa.string())
        for name in texts:
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, table.column(name).dictionary_encode())
        return table

    def _read(self, wanted: list[str]) -> pa.Table:
        """These columns of all rows."""
        from pyarrow import feather, parquet

        if self._parquet:
            return parquet.read_table(self._source, columns=wanted, partitioning=None)
        return feather.read_table(self._source, columns=wanted, memory_map=True)

    def _cast(self, table: pa.Table, name: str, kind: Any) -> pa.Table:
        import pyarrow as pa

        at = table.schema.get_field_index(name)
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_boolean(column.type) and pa.types.is_floating(kind):
            column = column.cast(pa.int8())
        try:
            return table.set_column(at, name, column.cast(kind, safe=False))
        except pa.ArrowException:
            raise self.place.error(
                f"column {quoted(name)} is of type {column.type}, which can't be used as {kind}; "
                "write it as another type"
            ) from None


class ColumnarPart(ColumnarTable):
    """Some rows of a Parquet file, of which no others are held in memory."""

    def __init__(self, file: DataFile, rows: range) -> None:
        """Read the columns' names, types and the file's first rows.

        Raises
        ------
        DatasetError
            As `ColumnarTable`.
        """
        self.rows = rows
        super().__init__(file)
        self.place = Place(file.name, lambda row: f"row {rows.start + row + 1}")

    def _read(self, wanted: list[str]) -> pa.Table:
        import pyarrow as pa
        from pyarrow import parquet

        with parquet.ParquetFile(self._source) as opened:
            fields = [opened.schema_arrow.field(name) for name in wanted]
            batches = [one.select(wanted) for one in _rows_of(opened, self.rows, wanted)]
            return pa.Table.from_batches(batches, pa.schema(fields))


def _rows_of(opened: Any, rows: range, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    """The batches of an open Parquet file, cut down to these rows."""
    sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
    starts = list(itertools.accumulate(sizes, initial=0))
    groups = [i for i in range(len(sizes)) if starts[i] < rows.stop and rows.start < starts[i + 1]]
    at = starts[groups[0]] if groups else 0
    for batch in opened.iter_batches(row_groups=groups, columns=wanted):
        first, last = max(rows.start - at, 0), min(rows.stop - at, batch.num_rows)
        if first < last:
            yield batch.slice(first, last - first)
        at += batch.num_rows
        if at >= rows.stop:
            return


def kind_of_type(kind: Any) -> Kind:
    """What a column of this type can be."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "list"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_temporal(kind):
        return "time"
    return "empty" if types.is_null(kind) else "text"


def _texts(column: Any) -> tuple[str, ...]:
    import pyarrow as pa

    if kind_of_type(column.type) == "list":
        return ()
    return tuple("" if one is None else str(one) for one in _plain(column, pa).to_pylist())


def _plain(column: Any, pa: Any) -> Any:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
