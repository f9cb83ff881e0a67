"""NumPy's .npz: the series as `X`, the labels as `y`, and names where they are given."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases
from tsprompt.errors import DatasetError, counted, notice
from tsprompt_datasets.own_data.columns import listed
from tsprompt_datasets.own_data.content import Content, named_columns
from tsprompt_datasets.own_data.data_file import DataFile
from tsprompt_datasets.own_data.padding import without_padding

__all__ = ["read_npz"]

_NAMES = {
    "X": ("X", "x", "data", "values"),
    "y": ("y", "Y", "labels", "label", "classes"),
    "ids": ("ids", "id", "names"),
    "features": ("features", "feature_names", "channels"),
    "groups": ("groups", "group"),
}
"""What an array is -> what it may be called."""
_DAMAGED = (
    *(OSError, ValueError, KeyError, EOFError, MemoryError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, struct.error, SyntaxError),
)
"""What reading a damaged .npz may raise: zip's flags, names, sizes and methods can all be hit."""


def read_npz(file: DataFile) -> dict[str, Content]:
    """What an .npz holds: `all`, or `train` and `test` where arrays are called `X_train` and so on.

    Raises
    ------
    DatasetError
        It is no such file, holds pickled objects, or its arrays do not fit each other.
    """
    arrays = _load(file)
    if {"X_train", "X_test"} <= arrays.keys():
        return {part: _content(file.name, arrays, f"_{part}") for part in ("train", "test")}
    return {"all": _content(file.name, arrays, "")}


def _load(file: DataFile) -> dict[str, npt.NDArray[Any]]:
    try:
        with file.open() as opened:
            # Python objects would be pickled, and a pickle can run any code: never read one.
            held = np.load(opened, allow_pickle=False)
            if isinstance(held, np.ndarray):
                raise DatasetError(f"{file.name}: is one array, as .npy holds it; call it .npy")
            return {name: held[name] for name in held.files}
    except DatasetError:
        raise
    except _DAMAGED as error:
        hint = (
            "it holds Python objects: save text as np.array(y, dtype=str), and series of "
            "different lengths padded with NaN"
            if "allow_pickle" in str(error)
            else "write it again with numpy.savez"
        )
        raise DatasetError(f"{file.name}: no .npz file that can be read; {hint}") from None


def _content(name: str, arrays: dict[str, npt.NDArray[Any]], part: str) -> Content:
    found = {what: _find(arrays, what, part) for what in _NAMES}
    X = found["X"]
    if X is None:
        raise DatasetError(
            f"{name}: holds no array called X; it has {listed(sorted(arrays))}. Save it with "
            "numpy.savez(file, X=X, y=y)"
        )
    series = _series(name, X)
    if found["features"] is None and part != "_test":
        _tell_of_axes(name, series)
    for what in ("y", "ids", "groups"):
        own = found[what]
        if own is not None and own.shape != (len(X),):
            hint = "; one-hot labels become one with y.argmax(axis=1)" if own.ndim == 2 else ""
            raise DatasetError(
                f"{name}: {what} has shape {own.shape}, but X has {counted(len(X), 'case')}; "
                f"give one for each{hint}"
            )
    ids, features, groups = (
        None if found[what] is None else found[what].astype(str)  # type: ignore[union-attr]
        for what in ("ids", "features", "groups")
    )
    if features is not None and features.shape != (series.shape[2],):
        raise DatasetError(
            f"{name}: {counted(features.size, 'name')} of features for "
            f"{counted(series.shape[2], 'feature')} of X, whose "
            f"shape is {X.shape}; it must be (cases, timesteps, features)"
        )
    cases = Cases(
        without_padding(series), ids=ids, features=None if features is None else features.tolist()
    )
    labels = found["y"]
    named = "" if features is None else f" {named_columns(features.tolist())}"
    said = (
        f"arrays: {counted(len(cases), 'case')}, {counted(series.shape[2], 'feature')}{named} of "
        f"{counted(series.shape[1], 'timestep')}, {'no labels' if labels is None else 'labels `y`'}"
    )
    return Content(cases, labels, groups, (said,))


def _tell_of_axes(name: str, X: npt.NDArray[Any]) -> None:
    """Say so where channels seem to stand before timesteps in X (B, T, F)."""
    _, steps, features = X.shape
    if features > steps:
        notice(
            f"{name}: X was read as (cases, timesteps, features): {counted(features, 'feature')} "
            f"of {counted(steps, 'timestep')}. If channels stand before timesteps, as in sktime "
            "and aeon, save X.transpose(0, 2, 1) in its place"
        )


def _find(arrays: dict[str, npt.NDArray[Any]], what: str, part: str) -> npt.NDArray[Any] | None:
    ends = (part, "") if what == "features" else (part,)
    return next(
        (arrays[f"{one}{end}"] for end in ends for one in _NAMES[what] if f"{one}{end}" in arrays),
        None,
    )


def _series(name: str, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """X as (B, T, F)."""
    if X.dtype.kind not in "fiub":
        raise DatasetError(f"{name}: X holds {X.dtype}, not numbers; save it as float64")
    if X.ndim not in (2, 3) or 0 in X.shape:
        raise DatasetError(
            f"{name}: X has shape {X.shape}; it must be (cases, timesteps, features) or "
            "(cases, timesteps), none of them 0"
        )
    if np.isinf(X).any():
        raise DatasetError(f"{name}: X holds infinite values; rescale them, or use NaN")
    return X if X.ndim == 3 else X[:, :, None]
