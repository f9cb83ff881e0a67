"""Tables that memory need not hold: they lie in files which are gone when the process is.

Such a table is a tensor like any other, over a file that is mapped into memory: what of it is read
or written the system keeps in memory while there is room, and lets go of when there is none.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from tsprompt.errors import ConfigError, Setting, TspromptError, notice

__all__ = [
    "BLOCK_BYTES",
    "SCRATCH_DIR",
    "SCRATCH_DTYPE",
    "Scratch",
    "let_go",
    "row_blocks",
    "scratch_of",
]

BLOCK_BYTES = 1 << 25
"""Rows are read and written so many bytes at a time: 32 MiB."""
SCRATCH_DIR = "TSPROMPT_SCRATCH_DIR"
"""The environment variable that names the folder."""
SCRATCH_DTYPE = "TSPROMPT_SCRATCH_DTYPE"
"""The one that says what features lie in files as."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_ANOTHER = f"name another folder, on a disk, with scratch_dir or the variable {SCRATCH_DIR}"
_ON_DISK = Path("/var/tmp")
"""By the standard of Linux's folders a place on disk, where /tmp may lie in memory."""
_IN_MEMORY = ("tmpfs", "ramfs")


class _Mapped(mmap.mmap):
    """A file in memory, and where it is from."""

    scratch: Scratch


_MAPPED: WeakValueDictionary[int, _Mapped] = WeakValueDictionary()
"""The files of tables, by where they begin in memory."""


class Scratch:
    """A folder for tables. Their files have no name there, so that they are gone after a crash and
    after Ctrl-C too; on systems without nameless files, when the process ends in order."""

    def __init__(self, folder: str | Path | None = None, dtype: str | None = None) -> None:
        """A folder, and what features lie there as.

        Parameters
        ----------
        folder
            None: TSPROMPT_SCRATCH_DIR, or else the folder for temporary files (TMPDIR), or one on
            disk where that is in memory.
        dtype
            `float32`, or `bfloat16`, which rounds features to 8 bits and takes half the disk; None:
            TSPROMPT_SCRATCH_DTYPE, or else `float32`.

        Raises
        ------
        ConfigError
            There is no such folder, or nothing can be written there, or no such dtype.
        """
        dtype = dtype or os.environ.get(SCRATCH_DTYPE) or "float32"
        if dtype not in _DTYPES:
            raise ConfigError(
                Setting("scratch_dtype", dtype), f" is not one of: {', '.join(_DTYPES)}"
            )
        self.dtype = _DTYPES[dtype]
        folder = folder or os.environ.get(SCRATCH_DIR)
        self.folder = Path(folder).expanduser() if folder else _default()
        try:
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise ConfigError(
                f"scratch files can't be written to {self.folder} ({error.strerror}); {_ANOTHER}"
            ) from None

    def table(self, rows: int, columns: int, dtype: torch.dtype | None = None) -> Tensor:
        """A table (rows, columns) of zeros; `dtype` None: that of features.

        Raises
        ------
        TspromptError
            The disk has no room for it.
        """
        dtype = dtype or self.dtype
        if not rows * columns:
            return torch.zeros(rows, columns, dtype=dtype)
        size = rows * columns * dtype.itemsize
        with tempfile.TemporaryFile(dir=self.folder) as file:
            try:
                _reserve(file.fileno(), size, self.folder)
                mapped = _Mapped(file.fileno(), size)
            except OSError as error:
                raise self._full(size, error) from None
        mapped.scratch = self
        table = torch.frombuffer(mapped, dtype=dtype)
        _MAPPED[table.data_ptr()] = mapped
        return table.view(rows, columns)

    def check_room(self, size: int) -> None:
        """See that the disk has room for tables of so many bytes.

        Raises
        ------
        TspromptError
            It has not.
        """
        if shutil.disk_usage(self.folder).free < size:
            raise self._full(size, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _full(self, size: int, error: OSError) -> TspromptError:
        free = shutil.disk_usage(self.folder).free
        return TspromptError(
            f"features of {size / 2**30:,.1f} GiB don't fit into the scratch folder {self.folder}: "
            f"{free / 2**30:,.1f} GiB are free ({error.strerror}); make room there, or {_ANOTHER}"
        )


def row_blocks(table: Tensor, count: int | None = None) -> Iterator[slice]:
    """The rows of a table, or so many picked ones, a block at a time; what has been seen of them
    need not stay in memory."""
    size = max(1, table.shape[1:].numel()) * table.dtype.itemsize
    rows = max(1, BLOCK_BYTES // size)
    for start in range(0, len(table) if count is None else count, rows):
        yield slice(start, start + rows)
        let_go(table)


def let_go(table: Tensor) -> None:
    """Say that a table's numbers may leave memory; nothing happens to one that has no file."""
    mapped = _mapped(table)
    if mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def scratch_of(table: Tensor) -> Scratch | None:
    """The folder in which a table lies; None: it lies in memory."""
    mapped = _mapped(table)
    return None if mapped is None else mapped.scratch


def _mapped(table: Tensor) -> _Mapped | None:
    if table.device.type != "cpu":
        return None
    return _MAPPED.get(table.untyped_storage().data_ptr())


def _reserve(file: int, size: int, folder: Path) -> None:
    """See that all of the file can be written later: a page that finds no room then is a crash."""
    reserve: Any = getattr(os, "posix_fallocate", None)
    if reserve is not None:
        reserve(file, 0, size)
        return
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.ftruncate(file, size)


def _default() -> Path:
    """Where temporary files go, unless that is in memory and another place is not."""
    folder = Path(tempfile.gettempdir())
    if "TMPDIR" in os.environ or not _in_memory(folder):
        return folder
    if _ON_DISK.is_dir() and os.access(_ON_DISK, os.W_OK) and not _in_memory(_ON_DISK):
        return _ON_DISK
    notice(f"the folder for scratch files, {folder}, lies in memory; {_ANOTHER}")
    return folder


def _in_memory(folder: Path) -> bool:
    """Whether a folder's files are held in memory."""
    import psutil  # type: ignore[import-untyped]

    place = folder.resolve()
    above = [
        one for one in psutil.disk_partitions(all=True) if place.is_relative_to(one.mountpoint)
    ]
    nearest = max(above, key=lambda one: len(Path(one.mountpoint).parts), default=None)
    return nearest is not None and nearest.fstype in _IN_MEMORY
