"""The UCR, UEA and Multiverse archives: what they hold, and downloads."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

from filelock import FileLock

from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.locate import (
    DatasetEntry,
    downloads_folder,
    entry_at,
    find,
    list_datasets,
    sktime_folder,
)
from tsprompt_datasets.mirrors import MIRRORS, SECONDS, Mirror
from tsprompt_datasets.readers.lines import brief, listed

__all__ = ["archive_names", "check_download", "download_dataset"]

_SUMS = "SHA256SUMS"
"""The file beside a download that says what its files hash to."""


@cache
def archive_names() -> tuple[str, ...]:
    """Names of the UCR (univariate), UEA and Multiverse (multivariate) sets."""
    # The list is a module without imports: run alone, it does not import sktime.
    path = sktime_folder() / "tsc_dataset_names.py"
    spec = importlib.util.spec_from_file_location("tsprompt_datasets._archive_names", path)
    multiverse = (files("tsprompt_datasets") / "sets" / "multiverse.txt").read_text("utf-8").split()
    if spec is None or spec.loader is None or not path.is_file():
        return tuple(multiverse)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = {*module.univariate, *module.multivariate, *multiverse}
    return tuple(sorted(names, key=str.casefold))


def download_dataset(name: str) -> DatasetEntry:
    """Download a set of the archives into the cache folder, from the first mirror that has it.

    What the mirror says that files hash to is checked, and what they hash to is kept beside them.

    Raises
    ------
    DatasetError
        No network, no such set there, a damaged file, or no room.
    """
    reasons: list[str] = []
    try:
        with _staging(name) as staging:
            entry = find(name)
            if entry is not None:  # another process was quicker
                return entry
            for mirror in MIRRORS:
                reason = _fetch(mirror, name, staging)
                if not reason:
                    _keep(staging / name, downloads_folder() / name)
                    break
                reasons.append(f"{mirror.name}: {reason}")
    except OSError as error:
        raise _failed(name, f"{downloads_folder()} can't be written: {error}") from None
    entry = find(name)
    if entry is None:
        raise _failed(name, "; ".join(reasons))
    return entry


def check_download(folder: Path, hashes: Mapping[str, str]) -> None:
    """See that the files of a download, whose hashes these are, are still what was fetched.

    Raises
    ------
    DatasetError
        They are not.
    """
    try:
        lines = (folder / _SUMS).read_text("utf-8").splitlines()
    except (OSError, ValueError):  # a download of before there were sums
        return
    known = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    changed = [name for name, sha256 in hashes.items() if known.get(name, sha256) != sha256]
    if changed:
        raise DatasetError(
            f"{folder / changed[0]} is not what was downloaded; remove {folder}, and the set is "
            "fetched again"
        )


@contextmanager
def _staging(name: str) -> Iterator[Path]:
    """A folder beside the kept archives, so that moving there is one step; then removed. One
    process at a time fetches a set."""
    parent = downloads_folder().parent
    parent.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(parent / f"{name}.lock"),
        tempfile.TemporaryDirectory(dir=parent) as folder,
    ):
        yield Path(folder)


def _fetch(mirror: Mirror, name: str, staging: Path) -> str:
    """Fetch a set's two files into `staging`/`name`; why that failed, or nothing."""
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.WARNING)  # it would announce every file
    try:
        remote = mirror.find(name)
        if not remote:
            return "does not have it"
        raw = staging / mirror.name
        for file in remote:
            pooch.retrieve(
                file.url,
                known_hash=file.known_hash,
                fname=file.name,
                path=raw,
                downloader=pooch.HTTPDownloader(timeout=SECONDS),
            )
        entry = entry_at(raw / remote[0].name) or entry_at(raw)
        if entry is None or entry.name.casefold() != name.casefold():
            return "does not have both train and test"
        _unpack(entry, staging / name, name)
    except requests.RequestException as error:
        return _one_line(error)
    except (ValueError, KeyError, TypeError, DatasetError) as error:
        # A hash that differs, an answer of another form, a .zip that is damaged.
        return brief(_one_line(error))
    return ""


def _unpack(entry: DatasetEntry, folder: Path, name: str) -> None:
    """Write the two files and their hashes, under the archive's own names."""
    folder.mkdir()
    sums = []
    for part, file in (("TRAIN", entry.train), ("TEST", entry.test)):
        data, target = file.read(), f"{name}_{part}{entry.formats[0]}"
        (folder / target).write_bytes(data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {target}\n")
    (folder / _SUMS).write_text("".join(sums), encoding="utf-8")


def _keep(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)  # what an interrupted download left
    folder.replace(target)


def _one_line(error: BaseException) -> str:
    """Why a request failed, without the layers that its library wraps it in."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"{response.status_code} {response.reason}".strip()
    reason: object = error
    while isinstance(reason, BaseException) and (inner := _inner(reason)) is not None:
        reason = inner
    # urllib3 begins with the connection, whose host the mirror's name tells.
    text = re.sub(r"^\S*Connection(Pool)?\([^)]*\):? *", "", " ".join(str(reason).split()))
    return text[:200] or type(error).__name__


def _inner(error: BaseException) -> object:
    reason = getattr(error, "reason", None)
    if reason is None and error.args and isinstance(error.args[0], BaseException):
        reason = error.args[0]
    return reason


def _failed(name: str, reason: str) -> DatasetError:
    here = [entry.name for entry in list_datasets() if entry.source != "data-dir"]
    return DatasetError(
        f"data set {name!r} could not be downloaded ({reason}). Put its files into a folder as "
        f"DIR/{name}/{name}_TRAIN.ts and _TEST.ts (or .tsv, .arff, .txt) and give ",
        Setting("data_dir", "DIR"),
        f" (or TSPROMPT_DATA_DIR=DIR). Without network there are: {listed(here)}",
    )
