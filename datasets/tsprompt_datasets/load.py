"""Data sets and files, read and checked."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Literal

from tsprompt.data import Dataset, Split
from tsprompt.errors import DatasetError, Setting, counted, near_names, notice
from tsprompt_datasets.archive import archive_names, check_download, download_dataset
from tsprompt_datasets.cache import read_entry, write_entry
from tsprompt_datasets.locate import DatasetEntry, bundled, entry_at, find, list_datasets
from tsprompt_datasets.readers import PLAIN, READERS, SeriesFile
from tsprompt_datasets.readers.lines import brief
from tsprompt_datasets.readers.ucr import first_column
from tsprompt_datasets.stored import PACKED, StoredFile

__all__ = ["fetch_dataset", "load_dataset", "load_file"]

PathLike = str | os.PathLike[str]


def load_dataset(
    name: PathLike, *, data_dir: PathLike | None = None, download: bool = True
) -> Dataset:
    """Read a data set: from `data_dir`, bundled with sktime, or downloaded, in this order.

    Parameters
    ----------
    name
        The archive's name, such as `GunPoint`; or the path of a folder or a .zip that holds a set.
    data_dir
        A folder laid out as the archives are, `NAME/NAME_TRAIN.ts` (or .tsv, .arff, .txt), with or
        without a folder such as `ucr` around. None: the environment variable TSPROMPT_DATA_DIR.
    download
        Whether to ask the network for what is not on this machine.

    Raises
    ------
    DatasetError
        Unknown, not to be had, damaged, or unfit: a label of test that train lacks.
    """
    entry = fetch_dataset(name, data_dir=data_dir, download=download)
    hashes: dict[str, str] = {}
    train, test = (_split(file, hashes) for file in (entry.train, entry.test))
    if entry.source == "download":
        check_download(entry.folder, hashes)
    dataset = Dataset(entry.name, train, test, entry.source, hashes)
    _check(dataset)
    return dataset


def fetch_dataset(
    name: PathLike, *, data_dir: PathLike | None = None, download: bool = True
) -> DatasetEntry:
    """See that a set is on this machine, downloading it if need be, and say where it is.

    Where one of your own has the name of one that comes with sktime, a notice says so.

    Raises
    ------
    DatasetError
        The name is unknown, or the set is not to be had.
    """
    entry = entry_at(Path(name).expanduser()) or find(str(name), data_dir)
    if entry is not None:
        if entry.source in ("data-dir", "file") and bundled(entry.name) is not None:
            notice(f"{entry.name} is read from {entry.folder}, not as it comes with sktime")
        return entry
    name = str(name)
    if name not in archive_names():
        known = {*archive_names(), *(one.name for one in list_datasets(data_dir))}
        raise DatasetError(
            f"no data set is called {name!r}; for one of your own, give the folder that holds it "
            "as ",
            Setting("data_dir"),
            f"; {near_names(name, known)}",
        )
    if not download:
        raise DatasetError(
            f"data set {name!r} is not on this machine, and downloading is switched off; "
            "allow it, or give the folder that holds it as ",
            Setting("data_dir"),
        )
    return download_dataset(name)


def load_file(
    path: PathLike,
    *,
    label: Literal["first", "none"] | None = None,
    timesteps: int | None = None,
) -> SeriesFile:
    """Read one file of an archive's format, also packed; labels may be absent, or ``?`` throughout.

    Parameters
    ----------
    label
        For .tsv and .txt, which do not say it: whether the `first` column is the label, or `none`
        is. None: as the archives' files are called (NAME_TEST), as `timesteps` tells, or as the
        column looks.
    timesteps
        Of the series that are expected: a file with just as many columns has no labels.

    Raises
    ------
    DatasetError
        The file is absent, of another format, or damaged, or its first column could be label or
        value.
    """
    file = StoredFile(Path(path))
    if file.suffix not in PLAIN:
        return _read(file)[0]
    return _read_plain(file, label, timesteps)


def _read_plain(file: StoredFile, label: str | None, timesteps: int | None) -> SeriesFile:
    """A file that does not say whether its first column is the label."""
    if label is None and not file.is_part:
        separator = "\t" if file.suffix == ".tsv" else None
        label = first_column(file.name, file.read(), separator, timesteps)
    if label == "none":
        return PLAIN[file.suffix](file.name, file.read(), labelled=False)
    return _read(file)[0]


def _read(file: StoredFile) -> tuple[SeriesFile, str]:
    """The file's content and the hash of its bytes, unpacked."""
    readers = {**PLAIN, **READERS}
    if file.suffix not in readers:
        known = f"{', '.join(READERS)}, each also with {', '.join(PACKED)}"
        raise DatasetError(f"{file.path}: can't tell the format; give one of: {known}")
    data = file.read()
    sha256 = hashlib.sha256(data).hexdigest()
    if file.suffix == ".npy":  # an entry of the cache would be no faster
        return readers[file.suffix](file.name, data), sha256
    content = read_entry(sha256, file.suffix)
    if content is None:
        content = readers[file.suffix](file.name, data)
        write_entry(sha256, file.suffix, content)
    return content, sha256


def _split(file: StoredFile, hashes: dict[str, str]) -> Split:
    content, hashes[file.name] = _read(file)
    if content.labels is None:
        raise DatasetError(
            f"{brief(file.name)}: has no labels, which a data set needs; give those that do"
        )
    return Split(content.cases, content.labels)


def _check(dataset: Dataset) -> None:
    """What the two files must agree on."""
    train, test = dataset.train.cases.n_features, dataset.test.cases.n_features
    if train != test:
        raise DatasetError(
            f"{dataset.name}: train has {counted(train, 'feature')}, test has {test}; the files "
            "do not belong together: fetch both again"
        )
    known = set(dataset.train.labels.tolist())
    unseen = Counter(label for label in dataset.test.labels.tolist() if label not in known)
    if unseen:
        counts = ", ".join(
            f"{label!r} ({counted(count, 'case')})" for label, count in unseen.items()
        )
        raise DatasetError(
            f"{dataset.name}: test has labels that train never had: {counts}; nothing can learn "
            "them: correct the labels, or move some of these cases to train"
        )
