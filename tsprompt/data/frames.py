"""Data frames as cases: the panel types of sktime, and tables with a row for each case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsprompt.data.cases import Cases
from tsprompt.data.numbers import number_array
from tsprompt.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_frame", "from_frames", "is_frame"]


def is_frame(X: object) -> bool:
    """Whether this is a frame or a series of pandas, which need not have been imported."""
    return type(X).__module__.partition(".")[0] == "pandas" and hasattr(X, "iloc")


def from_frame(X: Any, argument: str) -> Cases:
    """Cases of one frame: `pd-multiindex`, `nested_univ`, or a row of numbers for each case.

    Raises
    ------
    InputError
        It is no valid panel by sktime's own check, or does not hold numbers.
    """
    if X.index.nlevels > 1:
        return _from_multiindex(X if hasattr(X, "columns") else X.to_frame(), argument)
    if not hasattr(X, "columns"):
        if X.dtype != object:
            raise InputError(f"{argument} is a single pandas Series; give a list of them")
        return _from_nested(X.to_frame(), argument)
    if X.shape[1] and all(kind.kind == "O" for kind in X.dtypes) and _is_nested(X):
        return _from_nested(X, argument)
    values = _numbers(X, argument)
    return Cases(values[:, :, None], ids=_ids(X.index), times=_names(X.columns, argument))


def from_frames(frames: list[Any], argument: str) -> Cases:
    """Cases of a list of frames (T_i, F), or of series with one feature; columns that stand in
    another order than in the first frame are put right.

    Raises
    ------
    InputError
        A frame lacks a column of the first one, has one more, or does not hold numbers.
    """
    tables = [one if hasattr(one, "columns") else one.to_frame() for one in frames]
    bare = not any(hasattr(one, "columns") for one in frames)
    first = _names(tables[0].columns, argument)
    series = []
    for i, table in enumerate(tables):
        values, names = _numbers(table, f"{argument}[{i}]"), _names(table.columns, argument)
        if not bare and names != first:
            values = Cases([values], features=names).select(first, f"{argument}[{i}]")[0]
        series.append(values)
    return Cases(series, features=None if bare else first)


def _from_multiindex(X: pd.DataFrame, argument: str) -> Cases:
    """Rows (case, timestep), one case after the other."""
    if X.index.nlevels > 2:
        raise InputError(
            f"{argument} has {X.index.nlevels} levels of index; a panel has two, case and timestep"
        )
    _check_panel(X, "pd-multiindex", argument)
    index: Any = X.index
    codes, names = index.codes[0], index.levels[0]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    values = _numbers(X, argument)
    return Cases(
        np.split(values, starts[1:]),
        ids=names[codes[starts]],
        features=_names(X.columns, argument),
    )


def _from_nested(X: pd.DataFrame, argument: str) -> Cases:
    """A row for each case, a column for each feature, a series in each cell."""
    _check_panel(X, "nested_univ", argument)
    names = _names(X.columns, argument)
    series = []
    for i, row in enumerate(X.itertuples(index=False, name=None)):
        columns = [
            number_array(_plain(cell), f"{argument}, case {i}, column {name!r}")
            for name, cell in zip(names, row, strict=True)
        ]
        lengths = {len(column) for column in columns}
        if len(lengths) > 1:
            raise InputError(
                f"{argument}, case {i}: its features have different lengths "
                f"({', '.join(map(str, sorted(lengths)))}); bring them to one"
            )
        series.append(np.stack(columns, axis=1))
    return Cases(series, ids=_ids(X.index), features=names)


def _check_panel(X: pd.DataFrame, mtype: str, argument: str) -> None:
    """See that sktime takes it for what it looks like."""
    from sktime.datatypes import check_is_mtype

    valid, message, _ = check_is_mtype(
        X, mtype, scitype="Panel", return_metadata=[], msg_return_dict="list"
    )
    if not valid:
        text = message if isinstance(message, str) else "; ".join(map(str, message))
        raise InputError(f"{argument} looks like sktime's {mtype}, but is none: {text}")


def _is_nested(X: pd.DataFrame) -> bool:
    """Whether the cells hold series, and not numbers or text."""
    return len(X) > 0 and np.ndim(_plain(X.iat[0, 0])) == 1


def _numbers(X: pd.DataFrame, place: str) -> npt.NDArray[Any]:
    """(rows, columns) real numbers."""
    if all(isinstance(kind, np.dtype) and kind.kind in "fiub" for kind in X.dtypes):
        return np.asarray(X.to_numpy())
    columns = [
        number_array(_plain(X.iloc[:, f]), f"{place}, column {name!r}")
        for f, name in enumerate(X.columns)
    ]
    return np.stack(columns, axis=1) if columns else np.empty((len(X), 0))


def _plain(values: Any) -> Any:
    """The array of a pandas series; what pandas calls a date stays one."""
    return values.to_numpy() if is_frame(values) else values


def _names(columns: Iterable[Any], argument: str) -> tuple[str, ...]:
    names = tuple(
        " ".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in columns
    )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{argument} has two columns called {twice!r}; rename one")
    return names


def _ids(index: pd.Index) -> Any:
    """The names that rows were given; None where they are only counted."""
    counted = index.dtype.kind == "i" and np.array_equal(index, np.arange(len(index)))
    return None if counted else index
