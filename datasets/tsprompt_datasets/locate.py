"""Where a data set's files are on this machine."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from tsprompt.base.files import is_file, is_folder
from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.cache import cache_folder
from tsprompt_datasets.readers import ARCHIVE_FORMATS
from tsprompt_datasets.readers.lines import brief, listed
from tsprompt_datasets.readers.ts import is_regression
from tsprompt_datasets.stored import StoredFile, zip_members

__all__ = [
    "DatasetEntry",
    "Source",
    "bundled",
    "data_folder",
    "downloads_folder",
    "entry_at",
    "find",
    "list_datasets",
    "sktime_folder",
]

Source = Literal["bundled", "data-dir", "download", "file"]

_FILE = re.compile(
    r"(.+)_(train|test)(\.ts|\.tsv|\.arff|\.txt)?(?:\.gz|\.bz2|\.xz)?", re.IGNORECASE | re.DOTALL
)
"""What a set's files are called: name, part, format and compression."""
# Longer than any header in the archives; what lies beyond does not decide what is listed.
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class DatasetEntry:
    """A data set that is on this machine."""

    name: str
    """The archive's name of it."""
    source: Source
    """In the user's `data-dir`, `bundled` with sktime, an earlier `download`, or a `file`: a folder
    or a .zip whose path was given."""
    folder: Path
    """The folder of its files, or the .zip that holds them."""
    formats: tuple[str, ...]
    """Endings in which both train and test are there; the first is the one that is read."""
    train: StoredFile
    """The train file."""
    test: StoredFile
    """The test file."""


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
    if not is_folder(folder):
        raise DatasetError(f"{folder} is not a folder; correct ", origin)
    return folder.absolute()  # so that `.` has a name too


def find(name: str, data_dir: str | os.PathLike[str] | None = None) -> DatasetEntry | None:
    """Look for a set: in the data folder, then bundled, then among earlier downloads.

    The data folder is laid out as the archives are, `NAME/NAME_TRAIN.ts`, with or without a folder
    such as `ucr` around; the folder of the set itself will do too, and a NAME.zip in place of a
    folder. Files may be called in any case and be compressed.

    Raises
    ------
    DatasetError
        Only one of train and test is there, the set's folder holds other files, or the data
        folder is not a folder.
    """
    data = data_folder(data_dir)
    if not _names_a_folder(name):
        return None
    return (
        (_in_data_folder(name, data) if data is not None else None)
        or bundled(name)
        or _entry(name, "download", downloads_folder() / name)
    )


def bundled(name: str) -> DatasetEntry | None:
    """The set of that name that comes with sktime."""
    return _entry(name, "bundled", sktime_folder() / "data" / name)


def entry_at(path: Path) -> DatasetEntry | None:
    """The set that a folder or a .zip holds; None where the path is neither, or holds none.

    Raises
    ------
    DatasetError
        It holds several, or a .zip holds none.
    """
    if not _is_folder(path) and not _is_zip(path):
        return None
    path = path.absolute()
    names = {key: name for key, (name, _) in _sets(path).items()}
    whole = [one for name in names.values() if (one := _entry(name, "file", path))]
    own = [one for one in whole if one.name.casefold() == _bare(path).casefold()]
    if len(own or whole) > 1:
        found = listed(one.name for one in whole)
        raise DatasetError(
            f"{path} holds several sets: {found}; give the folder as ",
            Setting("data_dir"),
            " and the name of one",
        )
    if _is_zip(path) and not whole:
        raise _nothing_in(path, _bare(path))
    return next(iter(own or whole), None)


def _names_a_folder(name: str) -> bool:
    """Whether it is one part of a path: another would leave the folders, or not be looked up."""
    try:
        length = len(os.fsencode(name))
    except UnicodeEncodeError:
        return False
    return Path(name).name == name and not {"\\", "\0"} & {*name} and length <= 255


def _in_data_folder(name: str, data: Path) -> DatasetEntry | None:
    folders = [
        *_places(data, name),
        *(one for group in _folders(data) for one in _places(group, name)),
        data,
    ]
    for folder in folders:
        if entry := _entry(name, "data-dir", folder):
            return entry
    for folder in folders:
        _check_halves(name, folder)
    for folder in folders[:-1]:
        if _stored(folder):
            raise _nothing_in(folder, name)
    return None


def _places(folder: Path, name: str) -> list[Path]:
    """Where the set may be inside a folder: in one of its name, or in a .zip."""
    return [
        one for one in (folder / name, folder / f"{name}.zip") if _is_folder(one) or _is_zip(one)
    ]


def list_datasets(data_dir: str | os.PathLike[str] | None = None) -> list[DatasetEntry]:
    """All sets that are on this machine, by name, without reading them.

    A set that is in several places is listed once, from where `load_dataset` would read it.
    """
    found: list[DatasetEntry] = []
    data = data_folder(data_dir)
    if data is not None:
        folders = _folders(data)
        groups = [data, *folders]
        places = [*folders, *(one for group in folders for one in _folders(group))]
        places += [one for group in groups for one in _zips(group)]
        found += _entries("data-dir", [*places, data])
    coming = _entries("bundled", _folders(sktime_folder() / "data"))
    found += [entry for entry in coming if not _is_regression(entry)]
    found += _entries("download", _folders(downloads_folder()))
    first = {entry.name: entry for entry in reversed(found)}
    return sorted(first.values(), key=lambda entry: entry.name.casefold())


def _entries(source: Source, folders: list[Path]) -> list[DatasetEntry]:
    found = [_entry(_bare(folder), source, folder) for folder in folders]
    return [entry for entry in found if entry is not None]


def _entry(name: str, source: Source, folder: Path) -> DatasetEntry | None:
    _, found = _sets(folder).get(name.casefold(), ("", {}))
    formats = tuple(ending for ending in ARCHIVE_FORMATS if len(found.get(ending, {})) == 2)
    if not formats:
        return None
    files = found[formats[0]]
    return DatasetEntry(name, source, folder, formats, files["train"], files["test"])


def _sets(place: Path) -> dict[str, tuple[str, dict[str, dict[str, StoredFile]]]]:
    """The sets in a folder or .zip: name in lower case -> (name, format -> part -> file)."""
    found: dict[str, tuple[str, dict[str, dict[str, StoredFile]]]] = {}
    for file in _stored(place):
        match = _FILE.fullmatch(file.name)
        if match is None:
            continue
        formats = found.setdefault(match[1].casefold(), (match[1], {}))[1]
        parts = formats.setdefault((match[3] or "").lower(), {})
        before = parts.setdefault(match[2].lower(), file)
        if before.packed and not file.packed:  # the same file, unpacked
            parts[match[2].lower()] = file
    return found


def _stored(place: Path) -> list[StoredFile]:
    """The files of a folder or a .zip, in order."""
    if _is_zip(place):
        return sorted(zip_members(place), key=lambda file: file.member)
    try:
        return [StoredFile(one) for one in sorted(place.iterdir()) if one.is_file()]
    except (OSError, ValueError):  # absent, closed to us, or no name of a folder
        return []


def _check_halves(name: str, folder: Path) -> None:
    _, found = _sets(folder).get(name.casefold(), ("", {}))
    for parts in found.values():
        (there,) = parts.values()
        absent = {"train": "TEST", "test": "TRAIN"}[next(iter(parts))]
        wanted = re.sub("_(train|test)", f"_{absent}", there.name, flags=re.IGNORECASE)
        raise DatasetError(
            f"{folder} holds {brief(there.name)} but not {brief(wanted)}; a data set needs both: "
            "fetch the other one too"
        )


def _nothing_in(place: Path, name: str) -> DatasetError:
    held = listed(file.name for file in _stored(place)) or "nothing"
    return DatasetError(
        f"{place} holds {held}, but not {name}_TRAIN and {name}_TEST with one of the endings "
        f"{', '.join(filter(None, ARCHIVE_FORMATS))}; rename the files"
    )


def _bare(place: Path) -> str:
    return place.stem if _is_zip(place) else place.name


def _is_folder(place: Path) -> bool:
    try:
        return is_folder(place)
    except (OSError, ValueError):  # such as a name too long for any folder
        return False


def _is_zip(place: Path) -> bool:
    try:
        return place.suffix.lower() == ".zip" and is_file(place)
    except (OSError, ValueError):
        return False


def _zips(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if _is_zip(one))
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.is_dir())
    except OSError:  # absent or closed to us: nothing to be found there
        return []


def _is_regression(entry: DatasetEntry) -> bool:
    with entry.train.path.open("rb") as file:
        return is_regression(file.read(_HEADER_BYTES))
