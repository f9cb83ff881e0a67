"""Parsed files, kept under the hash of their bytes so that a stale one can't be met.

An entry is an .npz without pickled objects: values (sum of T, F), lengths (B,), and labels (B,),
empty where there are none. The cache only saves time: what can't be read from it is parsed again,
and what can't be written to it (no room, no permission) is left out.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from tsprompt.data import Cases
from tsprompt_datasets.readers import READER_VERSION, SeriesFile

__all__ = ["cache_folder", "read_arrays", "read_entry", "write_arrays", "write_entry"]


_DAMAGED = (
    *(OSError, ValueError, KeyError, EOFError, MemoryError, SyntaxError),
    *(RuntimeError, zlib.error, zipfile.BadZipFile, struct.error),
)
"""What reading a damaged .npz may raise: zip's flags, names, sizes and methods can all be hit."""


def cache_folder() -> Path:
    """Where parsed and downloaded files go: TSPROMPT_CACHE_DIR, or the platform's cache folder."""
    chosen = os.environ.get("TSPROMPT_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("tsprompt")


def _entry(sha256: str, suffix: str) -> str:
    return f"{sha256}{suffix}.v{READER_VERSION}.npz"


def read_arrays(name: str) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of an entry; None where there is none that can be read."""
    path = cache_folder() / "parsed" / name
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except _DAMAGED:
        return None


def read_entry(sha256: str, suffix: str) -> SeriesFile | None:
    """What the file with these bytes and this ending holds; None where that isn't known."""
    arrays = read_arrays(_entry(sha256, suffix))
    if arrays is None or not {"values", "lengths", "labels"} <= arrays.keys():
        return None
    values, lengths, labels = arrays["values"], arrays["lengths"], arrays["labels"]
    numbers = values.dtype in (np.float32, np.float64)
    sound = values.ndim == 2 and numbers and lengths.sum() == len(values)
    if not sound or len(labels) not in (0, len(lengths)):
        return None
    named = labels if len(labels) else None
    if len(set(lengths.tolist())) == 1:
        return SeriesFile(Cases(values.reshape(len(lengths), -1, values.shape[1])), named)
    return SeriesFile(Cases(np.split(values, np.cumsum(lengths)[:-1])), named)


def write_entry(sha256: str, suffix: str, content: SeriesFile) -> None:
    """Keep what a file holds. Readers see the whole entry or none; failures to write are silent."""
    # Labels are always there, if only empty: a damaged name must not pass for a file without any.
    labels = np.array([], dtype=str) if content.labels is None else content.labels
    arrays = {
        "values": np.concatenate(list(content.cases)),
        "lengths": content.cases.lengths,
        "labels": labels,
    }
    write_arrays(_entry(sha256, suffix), arrays)


def write_arrays(name: str, arrays: dict[str, Any]) -> None:
    """Keep an entry. Readers see the whole of it or none; failures to write are silent."""
    path = cache_folder() / "parsed" / name
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **arrays)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
