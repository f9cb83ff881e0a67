"""Where a data set's files are on this machine."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.cache import cache_folder
from tsprompt_datasets.readers import ARCHIVE_FORMATS
from tsprompt_datasets.readers.ts import is_regression

__all__ = [
    "DatasetEntry",
    "Source",
    "data_folder",
    "downloads_folder",
    "find",
    "list_datasets",
    "sktime_folder",
]

Source = Literal["bundled", "data-dir", "download"]

# Longer than any header in the archives; what lies beyond does not decide what is listed.
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class DatasetEntry:
    """A data set that is on this machine."""

    name: str
    """The archive's name of it."""
    source: Source
    """`bundled` with sktime, in the user's `data-dir`, or an earlier `download`."""
    folder: Path
    """The folder of its files."""
    formats: tuple[str, ...]
    """Endings in which both train and test are there; the first is the one that is read."""

    @property
    def train(self) -> Path:
        """The train file."""
        return self.folder / f"{self.name}_TRAIN{self.formats[0]}"

    @property
    def test(self) -> Path:
        """The test file."""
        return self.folder / f"{self.name}_TEST{self.formats[0]}"


@cache
def sktime_folder() -> Path:
    """sktime's folder of data sets, found without the seconds that importing sktime takes."""
    spec = importlib.util.find_spec("sktime")
    if spec is None or spec.origin is None:
        raise DatasetError("sktime is not installed; install tsprompt with its dependencies")
    return Path(spec.origin).parent / "datasets"


def downloads_folder() -> Path:
    """Where downloaded archives are kept, one folder for each set."""
    return cache_folder() / "archives"


def data_folder(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """The user's folder of data sets: `data_dir`, else TSPROMPT_DATA_DIR, else None.

    Raises
    ------
    DatasetError
        It is not a folder.
    """
    origin: str | Setting
    if data_dir is not None:
        folder, origin = Path(data_dir).expanduser(), Setting("data_dir")
    elif chosen := os.environ.get("TSPROMPT_DATA_DIR"):
        folder, origin = Path(chosen).expanduser(), "TSPROMPT_DATA_DIR"
    else:
        return None
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; correct ", origin)
    return folder.absolute()  # so that `.` has a name too


def find(name: str, data_dir: str | os.PathLike[str] | None = None) -> DatasetEntry | None:
    """Look for a set: bundled, then in the data folder, then among earlier downloads.

    The data folder is laid out as the archives are, `NAME/NAME_TRAIN.ts`, with or without a folder
    such as `ucr` around; the folder of the set itself will do too.

    Raises
    ------
    DatasetError
        Only one of train and test is there, or the data folder is not a folder.
    """
    data = data_folder(data_dir)
    if Path(name).name != name or "\\" in name:  # such a name would leave the folders
        return None
    entry = _entry(name, "bundled", sktime_folder() / "data" / name)
    if entry is None and data is not None:
        entry = _in_data_folder(name, data)
    return entry or _entry(name, "download", downloads_folder() / name)


def _in_data_folder(name: str, data: Path) -> DatasetEntry | None:
    folders = [data / name, *(group / name for group in _folders(data)), data]
    for folder in folders:
        if entry := _entry(name, "data-dir", folder):
            return entry
    for folder in folders:
        _check_halves(name, folder)
    return None


def list_datasets(data_dir: str | os.PathLike[str] | None = None) -> list[DatasetEntry]:
    """All sets that are on this machine, by name, without reading them.

    A set that is in several places is listed once, from where `load_dataset` would read it.
    """
    bundled = _entries("bundled", _folders(sktime_folder() / "data"))
    found = [entry for entry in bundled if not _is_regression(entry)]
    data = data_folder(data_dir)
    if data is not None:
        folders = _folders(data)
        grouped = [folder for group in folders for folder in _folders(group)]
        found += _entries("data-dir", [*folders, *grouped, data])
    found += _entries("download", _folders(downloads_folder()))
    first = {entry.name: entry for entry in reversed(found)}
    return sorted(first.values(), key=lambda entry: entry.name.casefold())


def _entries(source: Source, folders: list[Path]) -> list[DatasetEntry]:
    found = [_entry(folder.name, source, folder) for folder in folders]
    return [entry for entry in found if entry is not None]


def _entry(name: str, source: Source, folder: Path) -> DatasetEntry | None:
    formats = tuple(
        ending
        for ending in ARCHIVE_FORMATS
        if all((folder / f"{name}_{part}{ending}").is_file() for part in ("TRAIN", "TEST"))
    )
    return DatasetEntry(name, source, folder, formats) if formats else None


def _check_halves(name: str, folder: Path) -> None:
    for ending in ARCHIVE_FORMATS:
        train, test = (folder / f"{name}_{part}{ending}" for part in ("TRAIN", "TEST"))
        if train.is_file() != test.is_file():
            there, absent = (train, test) if train.is_file() else (test, train)
            raise DatasetError(
                f"{folder} holds {there.name} but not {absent.name}; a data set needs both: "
                "fetch the other one too"
            )


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir())
    except OSError:  # absent or closed to us: nothing to be found there
        return []


def _is_regression(entry: DatasetEntry) -> bool:
    with entry.train.open("rb") as file:
        return is_regression(file.read(_HEADER_BYTES))
