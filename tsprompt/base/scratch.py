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

from tsprompt.errors import ConfigError, TspromptError, notice

__all__ = ["BLOCK_BYTES", "SCRATCH_DIR", "Scratch", "let_go", "row_blocks"]

BLOCK_BYTES = 1 << 25
"""Rows are read and written so many bytes at a time: 32 MiB."""
SCRATCH_DIR = "TSPROMPT_SCRATCH_DIR"
"""The environment variable that names the folder."""
_ANOTHER = f"name another folder, on a disk, with the environment variable {SCRATCH_DIR}"
_ON_DISK = Path("/var/tmp")
"""By the standard of Linux's folders a place on disk, where /tmp may lie in memory."""
_IN_MEMORY = ("tmpfs", "ramfs")

_MAPPED: WeakValueDictionary[int, mmap.mmap] = WeakValueDictionary()
"""The files of tables, by where they begin in memory."""


class Scratch:
    """A folder for tables. Their files have no name there, so that they are gone after a crash and
    after Ctrl-C too; on systems without nameless files, when the process ends in order."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """None: TSPROMPT_SCRATCH_DIR, or else the folder for temporary files (TMPDIR), or one on
        disk where that is in memory.

        Raises
        ------
        ConfigError
            There is no such folder, or nothing can be written there.
        """
        folder = folder or os.environ.get(SCRATCH_DIR)
        self.folder = Path(folder).expanduser() if folder else _default()
        try:
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise ConfigError(
                f"scratch files can't be written to {self.folder} ({error.strerror}); {_ANOTHER}"
            ) from None

    def table(self, rows: int, columns: int) -> Tensor:
        """A table (rows, columns) of float32 zeros.

        Raises
        ------
        TspromptError
            The disk has no room for it.
        """
        if not rows * columns:
            return torch.zeros(rows, columns)
        size = rows * columns * 4
        with tempfile.TemporaryFile(dir=self.folder) as file:
            try:
                _reserve(file.fileno(), size, self.folder)
                mapped = mmap.mmap(file.fileno(), size)
            except OSError as error:
                raise self._full(size, error) from None
        table = torch.frombuffer(mapped, dtype=torch.float32)
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
    rows = max(1, BLOCK_BYTES // (4 * max(1, table.shape[1])))
    for start in range(0, len(table) if count is None else count, rows):
        yield slice(start, start + rows)
        let_go(table)


def let_go(table: Tensor) -> None:
    """Say that a table's numbers may leave memory; nothing happens to one that has no file."""
    mapped = _MAPPED.get(table.untyped_storage().data_ptr())
    if mapped is not None and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


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
