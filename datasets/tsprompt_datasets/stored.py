"""A file of a data set as it is stored: by itself, compressed, or inside a .zip."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tsprompt.errors import DatasetError
from tsprompt_datasets.readers.lines import brief

__all__ = ["PACKED", "StoredFile", "zip_members"]

PACKED = (".gz", ".bz2", ".xz")
"""Endings of compressed files."""

_ROOM = 1 << 28
_RATIO = 200
"""Unpacked, a file may be this many times as large, or `_ROOM` bytes. Numbers pack 2 to 20 times;
what packs far better was made to fill the memory."""
_MOST_MEMBERS = 10_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
"""Of packing in a .zip. Its LZMA is none: a few bytes of it may ask for gigabytes."""


@dataclass(frozen=True)
class StoredFile:
    """A file, or one inside a .zip; its ending says whether it is compressed."""

    path: Path
    """Where it is, or where the .zip is."""
    member: str = ""
    """Its name inside the .zip."""

    def __fspath__(self) -> str:
        """Where it is on disk, or the .zip that holds it."""
        return str(self.path)

    __str__ = __fspath__

    @property
    def name(self) -> str:
        """What it is called, without folders."""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @property
    def packed(self) -> str:
        """The ending of its compression, or nothing."""
        last = PurePosixPath(self.name).suffix.lower()
        return last if last in PACKED else ""

    @property
    def suffix(self) -> str:
        """The ending that tells the format, lower case."""
        bare = self.name[: len(self.name) - len(self.packed)]
        return PurePosixPath(bare).suffix.lower()

    @property
    def is_part(self) -> bool:
        """Whether it is called as train or test of a set of the archives."""
        bare = self.name[: len(self.name) - len(self.packed)].casefold()
        return PurePosixPath(bare).stem.endswith(("_train", "_test"))

    def read(self) -> bytes:
        """The unpacked bytes.

        Raises
        ------
        DatasetError
            It is absent, closed to us, damaged, or far larger unpacked than any data.
        """
        try:
            data = self._read_member() if self.member else self.path.read_bytes()
            return self._unpacked(data) if self.packed else data
        except FileNotFoundError:
            raise DatasetError(f"{self.path}: no such file; check the path") from None
        except KeyError:
            raise self._broken("it is no longer there") from None
        except DatasetError:
            raise
        except Exception as error:  # damaged, they fail in whichever way their modules do
            if isinstance(error, OSError) and error.errno is not None:
                what = f"{self.path}: can't be read ({error.strerror}); check it"
                raise DatasetError(what) from None
            raise self._broken(str(error)) from None

    def _read_member(self) -> bytes:
        with zipfile.ZipFile(self.path) as archive:
            info = archive.getinfo(self.member)
            if info.compress_type not in _METHODS:
                raise NotImplementedError("packed by a method that is not read")
            with archive.open(info) as file:
                return self._limited(file.read, info.compress_size)

    def _unpacked(self, data: bytes) -> bytes:
        if self.packed == ".gz":
            return self._limited(gzip.GzipFile(fileobj=io.BytesIO(data)).read, len(data))
        if self.packed == ".bz2":
            return self._limited(bz2.BZ2File(io.BytesIO(data)).read, len(data))
        return self._limited(_Xz(data).read, len(data))

    def _limited(self, read: Callable[[int], bytes], size: int) -> bytes:
        """What `read` gives for a number of bytes, if it is no more than `size` bytes may hold."""
        most = max(_ROOM, _RATIO * size)
        data = read(most + 1)
        if len(data) > most:
            raise DatasetError(
                f"{brief(self.name)}: unpacks to more than {_RATIO} times its size of {size:,} "
                "bytes, as no data do; unpack it yourself if you trust it"
            )
        return data

    def _broken(self, reason: str) -> DatasetError:
        where = f" in {self.path.name}" if self.member else ""
        return DatasetError(
            f"{brief(self.name)}{where}: can't be unpacked ({brief(reason)}); the file is "
            "truncated or corrupt: fetch it again"
        )


class _Xz:
    """What is packed by xz; its header may ask for gigabytes, of which it gets few."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while self._data and size > 0:
            stream = lzma.LZMADecompressor(memlimit=_ROOM)
            parts.append(stream.decompress(self._data, max_length=size))
            size -= len(parts[-1])
            if not stream.eof and size > 0:
                raise EOFError("it ends within its content")
            self._data = stream.unused_data.lstrip(b"\0")
        return b"".join(parts)


def zip_members(path: Path) -> list[StoredFile]:
    """The files inside a .zip. None is ever written: a name that leads out of it leads nowhere.

    Raises
    ------
    DatasetError
        It is no .zip, or damaged, or holds more files than any set.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except Exception as error:
        reason = brief(str(getattr(error, "strerror", None) or error))
        raise DatasetError(f"{path}: can't be read as a .zip ({reason}); check it") from None
    if len(infos) > _MOST_MEMBERS:
        raise DatasetError(f"{path}: holds {len(infos):,} files, more than any data set; check it")
    names = [one.filename for one in infos if one.filename and not one.is_dir()]
    return [
        StoredFile(path, name)
        for name in names
        if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")
    ]
