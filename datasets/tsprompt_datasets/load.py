"""Data sets and files, read and checked."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

from tsprompt.data import Dataset, Split
from tsprompt.errors import DatasetError, Setting, near_names
from tsprompt_datasets.archive import archive_names, download_dataset
from tsprompt_datasets.cache import read_entry, write_entry
from tsprompt_datasets.locate import DatasetEntry, find, list_datasets
from tsprompt_datasets.readers import READERS, SeriesFile

__all__ = ["fetch_dataset", "load_dataset", "load_file"]

PathLike = str | os.PathLike[str]


def load_dataset(name: str, *, data_dir: PathLike | None = None, download: bool = True) -> Dataset:
    """Read a data set: bundled with sktime, from `data_dir`, or downloaded, in this order.

    Parameters
    ----------
    name
        The archive's name, such as `GunPoint`.
    data_dir
        A folder laid out as the archives are, `NAME/NAME_TRAIN.ts` (or .tsv, .arff), with or
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
    train, test = (_split(path, hashes) for path in (entry.train, entry.test))
    dataset = Dataset(name, train, test, entry.source, hashes)
    _check(dataset)
    return dataset


def fetch_dataset(
    name: str, *, data_dir: PathLike | None = None, download: bool = True
) -> DatasetEntry:
    """See that a set is on this machine, downloading it if need be, and say where it is.

    Raises
    ------
    DatasetError
        The name is unknown, or the set is not to be had.
    """
    entry = find(name, data_dir)
    if entry is not None:
        return entry
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


def load_file(path: PathLike) -> SeriesFile:
    """Read one .ts, .tsv, .arff or .npy file; labels may be absent, or ``?`` throughout.

    Raises
    ------
    DatasetError
        The file is absent, of another format, or damaged.
    """
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[SeriesFile, str]:
    """The file's content and the hash of its bytes."""
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise DatasetError(f"{path}: can't tell the format; give one of: {', '.join(READERS)}")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file; check the path") from None
    except OSError as error:
        raise DatasetError(f"{path}: can't be read ({error.strerror}); check it") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if suffix == ".npy":  # an entry of the cache would be no faster
        return READERS[suffix](path.name, data), sha256
    content = read_entry(sha256, suffix)
    if content is None:
        content = READERS[suffix](path.name, data)
        write_entry(sha256, suffix, content)
    return content, sha256


def _split(path: Path, hashes: dict[str, str]) -> Split:
    content, hashes[path.name] = _read(path)
    if content.labels is None:
        raise DatasetError(
            f"{path.name}: has no labels, which a data set needs; give those that do"
        )
    return Split(content.cases, content.labels)


def _check(dataset: Dataset) -> None:
    """What the two files must agree on."""
    train, test = dataset.train.cases.n_features, dataset.test.cases.n_features
    if train != test:
        raise DatasetError(
            f"{dataset.name}: train has {train} features, test has {test}; the files do not "
            "belong together: fetch both again"
        )
    known = set(dataset.train.labels.tolist())
    unseen = Counter(label for label in dataset.test.labels.tolist() if label not in known)
    if unseen:
        counts = ", ".join(f"{label!r} ({count} cases)" for label, count in unseen.items())
        raise DatasetError(
            f"{dataset.name}: test has labels that train never had: {counts}; nothing can learn "
            "them: correct the labels, or move some of these cases to train"
        )
