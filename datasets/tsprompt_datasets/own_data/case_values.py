"""Columns that say one thing of each case: its name, its label, its group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsprompt_datasets.own_data.columns import Place, quoted, shown

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["codes_of", "finite", "labels_of"]

LONGEST = 300
"""Characters of a label at most: longer text is none, and arrays of text are as wide as their
longest."""
UNKNOWN = ("", "?")
"""What text files write for a label that is not known."""


def codes_of(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], list[Any]]:
    """A column as positions (n,) in the list of what it holds, in order of first appearance.

    What is missing is None in the list.
    """
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode(null_encoding="encode")
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], column.type)
    held = whole.dictionary.to_pylist()
    indices = whole.indices
    if indices.null_count:
        indices = indices.fill_null(len(held))
        held.append(None)
    return indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), held


def labels_of(
    place: Place, name: str, codes: npt.NDArray[np.int32], held: list[Any], rows: npt.NDArray[Any]
) -> npt.NDArray[Any] | None:
    """Labels (B,) for cases that begin at these rows (B,), of the type that the file gives them.

    None where no case has one.

    Raises
    ------
    DatasetError
        Some cases have a label, and others none.
    """
    unknown = np.array([_is_unknown(one) for one in held], dtype=bool)
    lacking = unknown[codes]
    if lacking.all():
        return None
    if lacking.any():
        row = int(rows[np.flatnonzero(lacking)[0]])
        raise place.error(
            f"the label {quoted(name)} is empty, and other cases have one; label all cases, or "
            "give those without one to predict, in a file of their own",
            row=row,
        )
    long = next((i for i, one in enumerate(held) if len(str(one)) > LONGEST), None)
    if long is not None:
        at = np.flatnonzero(codes == long)
        raise place.error(
            f"the label {quoted(name)} is a text of {len(str(held[long])):,} characters "
            f"({shown(held[long])}); a label is a name of {LONGEST} at most",
            row=int(rows[at[0]]) if len(at) else None,
        )
    return typed([one for one, empty in zip(held, unknown, strict=True) if not empty])[
        _without(codes, unknown)
    ]


def _is_unknown(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, float):
        return bool(np.isnan(value))
    return isinstance(value, str) and value.strip() in UNKNOWN


def _without(codes: npt.NDArray[np.int32], unknown: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """The same positions in a list from which the unknown ones are gone."""
    return (np.cumsum(~unknown) - 1)[codes]


def typed(held: list[Any]) -> npt.NDArray[Any]:
    """Python's values as an array of their own type: text, whole numbers, truth, dates."""
    import datetime

    first = held[0]
    if isinstance(first, (datetime.datetime, datetime.date)):
        return np.array(held, dtype="datetime64[us]" if hasattr(first, "hour") else "datetime64[D]")
    if isinstance(first, (bool, int, float, str)):
        return np.array(held)
    return np.array([shown(one)[1:-1] for one in held])


def finite(place: Place, name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same values (n,) of a column.

    Raises
    ------
    DatasetError
        One of them is infinite, or beyond 64 bits.
    """
    endless = np.isinf(values)
    if endless.any():
        raise place.error(
            f"column {quoted(name)} holds an infinite value, or one beyond 64 bits; rescale the "
            "series, or write NaN where a value is missing",
            row=int(endless.argmax()),
        )
    return values
