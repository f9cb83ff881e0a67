"""A file's bytes: where they come from, decompressed, with their hash."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

from tsprompt.errors import DatasetError

__all__ = ["STDIN", "DataFile", "standard_input"]

STDIN = "-"
"""The path that is standard input."""

_PACKED: dict[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_PACKED_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ": ".xz"}
"""How compressed files begin, where no ending says that they are."""
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a damaged compressed file may raise."""

_ROOM, _RATIO = 1 << 28, 200
"""Unpacked, a file may be `_RATIO` times as large, or `_ROOM` bytes."""

_MAGIC = {
    b"PAR1": "a Parquet file (.parquet)",
    b"ARROW1": "a Feather file (.feather)",
    b"FEA1": "a Feather file of the first version: write it anew",
    b"PK\x03\x04": "a zip archive (.zip, .npz or .xlsx): write an Excel sheet as .csv",
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"\x1f\x8b": "compressed by gzip (.gz)",
    b"BZh": "compressed by bzip2 (.bz2)",
    b"\xfd7zXZ": "compressed by xz (.xz)",
    b"\x89HDF": "an HDF5 file: write it as .parquet, .npz or .csv",
    b"\xd0\xcf\x11\xe0": "an old Excel sheet: write it as .csv",
}
"""How files begin -> what they are."""


class _Bounded(io.RawIOBase):
    """What a compressed file holds, up to a size: what packs far better was made to fill memory."""

    def __init__(self, name: str, file: IO[bytes], most: int) -> None:
        self._name, self._file, self._left = name, file, most

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, as `io` asks for it."""
        data = self._file.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise DatasetError(
                f"{self._name}: unpacks to more than {_RATIO} times its size; unpack it first if "
                "that is right"
            )
        buffer[: len(data)] = data
        return len(data)


@dataclass(frozen=True)
class DataFile:
    """One file of data, or what came through standard input."""

    path: Path
    held: bytes | None = field(default=None, repr=False)
    """The bytes, where they lie in no file: those of standard input, whose format is not known, or
    of a file that was sent, whose path is its name."""

    @property
    def is_standard_input(self) -> bool:
        """Whether it came through standard input."""
        return self.held is not None and str(self.path) == STDIN

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return "standard input" if self.is_standard_input else self.path.name

    @property
    def suffix(self) -> str:
        """The ending that tells the format, that of the compression apart; lower case."""
        if self.is_standard_input:
            return ".csv"
        names = self.path.suffixes
        if names and names[-1].lower() in _PACKED:
            names = names[:-1]
        return names[-1].lower() if names else ""

    @property
    def packed(self) -> str:
        """The ending of the compression, or nothing; standard input says it by how it begins."""
        if self.is_standard_input:
            assert self.held is not None
            begins = (end for magic, end in _PACKED_MAGIC.items() if self.held.startswith(magic))
            return next(begins, "")
        last = self.path.suffix.lower()
        return last if last in _PACKED else ""

    @cached_property
    def sha256(self) -> str:
        """Hash of the bytes as they lie there."""
        if self.held is not None:
            return hashlib.sha256(self.held).hexdigest()
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise self._unreadable(error) from None

    def check(self) -> None:
        """See that there is something to read.

        Raises
        ------
        DatasetError
            It is absent, empty, or closed to us.
        """
        try:
            size = len(self.held) if self.held is not None else self.path.stat().st_size
        except OSError as error:
            raise self._unreadable(error) from None
        if not size:
            raise DatasetError(f"{self.name} is empty; give a file that holds cases")

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The decompressed bytes; what breaks while they are read is the user's to mend."""
        try:
            if self.held is not None and not self.packed:
                yield io.BytesIO(self.held)
                return
            source = self.path if self.held is None else io.BytesIO(self.held)
            with _PACKED.get(self.packed, open)(source, "rb") as file:
                if not self.packed:
                    yield cast(IO[bytes], file)
                    return
                size = self.path.stat().st_size if self.held is None else len(self.held)
                most = max(_ROOM, _RATIO * size)
                yield cast(IO[bytes], io.BufferedReader(_Bounded(self.name, file, most)))
        except _BROKEN as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise self._unreadable(error) from None
            raise DatasetError(
                f"{self.name}: is damaged, or no {self.packed or 'such'} file ({error}); "
                "fetch it again, or correct its ending"
            ) from None

    def check_magic(self, own: tuple[bytes, ...]) -> None:
        """See that this is no other format than its ending says, whose beginnings are `own`.

        Raises
        ------
        DatasetError
            It is; the message says of which format.
        """
        with self.open() as file:
            head = file.read(4096)
        for magic, what in _MAGIC.items():
            if head.startswith(magic) and magic not in own:
                if self.is_standard_input:
                    raise DatasetError(
                        f"{self.name}: takes a table in text, but this is {what}; give the path of "
                        "a file with that ending"
                    )
                raise DatasetError(
                    f"{self.name}: ends in {self.suffix or 'nothing'}, but is {what}; "
                    "correct its ending"
                )
        if own and not head.startswith(own):
            raise DatasetError(f"{self.name}: is no {self.suffix} file; correct its ending")

    def check_text(self) -> None:
        """See that this is no binary file whose ending belies it.

        Raises
        ------
        DatasetError
            It is; the message says of which format.
        """
        self.check_magic(())
        with self.open() as file:
            head = file.read(4096)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DatasetError(f"{self.name}: is UTF-16 text; save it as UTF-8")
        if b"\0" in head:
            raise DatasetError(f"{self.name}: holds binary data, not text; correct its ending")

    def _unreadable(self, error: OSError) -> DatasetError:
        if isinstance(error, FileNotFoundError):
            return DatasetError(f"{self.path}: no such file; check the path")
        return DatasetError(f"{self.path}: can't be read ({error.strerror}); check it")


def standard_input() -> DataFile:
    """All that comes through standard input."""
    return DataFile(Path(STDIN), sys.stdin.buffer.read())
