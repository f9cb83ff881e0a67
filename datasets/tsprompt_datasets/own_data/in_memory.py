"""A table that was sent, and lies in no file: read as a file of its kind, and kept nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tsprompt.errors import DatasetError
from tsprompt_datasets.own_data.content import Content
from tsprompt_datasets.own_data.data_file import DataFile
from tsprompt_datasets.own_data.options import ReadOptions
from tsprompt_datasets.own_data.sources import content_of_file

__all__ = ["read_held"]

_DEFAULT = ReadOptions()
_STREAM = ".arrows"
"""How files end that hold a stream of Arrow's."""


def read_held(
    held: bytes,
    ending: str,
    options: ReadOptions = _DEFAULT,
    like: dict[str, Any] | None = None,
    *,
    name: str = "the table",
    most: int = 1 << 30,
) -> Content:
    """Read all cases of a table from its bytes, with labels or without.

    Nothing of it is written to a disk, the cache of what was read among them.

    Parameters
    ----------
    ending
        How such a file's name ends: `.csv`, `.tsv`, `.parquet`, `.arrow`, or `.arrows` for a stream
        of Arrow's.
    like
        `Content.columns` of the file that a model was fitted on, whose columns are wanted.
    name
        What messages call it.
    most
        Values that are read, at the most: a few bytes of Parquet may stand for any number of them.

    Raises
    ------
    DatasetError
        It can't be read, holds too many values, or its columns are not those that are wanted.
    """
    if ending in (".parquet", ".arrow", _STREAM):
        held, ending = _columnar(held, ending, name, most)
    file = DataFile(Path(f"{name}{ending}"), held)
    return content_of_file(file, options, like)["all"]


def _columnar(held: bytes, ending: str, name: str, most: int) -> tuple[bytes, str]:
    """The same, once it is known not to be too large; a stream as a file."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if ending == ".parquet":
            about = parquet.read_metadata(pa.BufferReader(held))
            groups = [about.row_group(at) for at in range(about.num_row_groups)]
            values = about.num_rows + sum(
                one.column(at).num_values for one in groups for at in range(one.num_columns)
            )
            _check(values, name, most)
            return held, ending
        opened = pa.ipc.open_stream if ending == _STREAM else pa.ipc.open_file
        with opened(pa.BufferReader(held)) as stream:
            table = stream.read_all()
        table.validate(full=True)
        _check(sum(_values(one) for one in table.columns), name, most)
    except (pa.ArrowException, OSError, ValueError, NotImplementedError, MemoryError) as error:
        if isinstance(error, DatasetError):
            raise
        said = str(error).partition("\n")[0][:160]
        raise DatasetError(f"{name}: can't be read ({said}); write it anew") from None
    if ending != _STREAM:
        return held, ending
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    return sink.getvalue().to_pybytes(), ".arrow"


def _values(column: Any) -> int:
    """Values of a column, those of its lists among them."""
    inner = sum(len(one.values) for one in column.chunks if hasattr(one, "values"))
    return len(column) + inner


def _check(values: int, name: str, most: int) -> None:
    if values > most:
        raise DatasetError(f"{name}: holds {values:,} values, and {most:,} are read at the most")
