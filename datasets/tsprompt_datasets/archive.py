"""The UCR and UEA archives: what they hold, and downloads through sktime."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import tempfile
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.error import HTTPError

from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.locate import (
    DatasetEntry,
    downloads_folder,
    find,
    list_datasets,
    sktime_folder,
)

__all__ = ["archive_names", "download_dataset"]

_PROBE_SECONDS = 6.0
_SILENCE_SECONDS = 60.0


@cache
def archive_names() -> tuple[str, ...]:
    """Names of the UCR (univariate) and UEA (multivariate) sets that can be downloaded."""
    # The list is a module without imports: run alone, it does not import sktime.
    path = sktime_folder() / "tsc_dataset_names.py"
    spec = importlib.util.spec_from_file_location("tsprompt_datasets._archive_names", path)
    if spec is None or spec.loader is None or not path.is_file():
        return ()
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(sorted({*module.univariate, *module.multivariate}, key=str.casefold))


def download_dataset(name: str) -> DatasetEntry:
    """Download a set of the archives into the cache folder.

    Raises
    ------
    DatasetError
        No network, no such set there, or no room: in some seconds, not minutes.
    """
    from sktime.datasets._data_io import CLASSIF_URLS, _cache_dataset

    mirrors = list(CLASSIF_URLS)
    reason = _probe([f"{mirror}/{name}.zip" for mirror in mirrors])
    if reason:
        raise _failed(name, reason)
    try:
        with _staging() as staging:
            reason = "no mirror has it"
            for mirror in mirrors:
                try:
                    _cache_dataset(mirror, name, extract_path=staging)
                except Exception as error:  # sktime passes on whatever its back ends raise
                    reason = _one_line(error)
                else:
                    break
            if (staging / name).is_dir():
                _keep(staging / name, downloads_folder() / name)
    except OSError as error:
        raise _failed(name, f"{downloads_folder()} can't be written: {error}") from None
    entry = find(name)
    if entry is None:
        raise _failed(name, reason)
    return entry


@contextmanager
def _staging() -> Iterator[Path]:
    """A folder beside the kept archives, so that moving there is one step; then removed."""
    parent = downloads_folder().parent
    parent.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    # sktime's downloads set no timeout of their own, and would wait for ever.
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    try:
        with tempfile.TemporaryDirectory(dir=parent) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of each mirror that fails
            yield Path(folder)
    finally:
        socket.setdefaulttimeout(before)


def _keep(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)  # what an interrupted download left
    folder.replace(target)


def _probe(urls: list[str]) -> str:
    """Why none of these can be reached, or "" where one can.

    In a thread that is left behind if need be: looking up a host has no timeout of its own.
    """
    reasons = ["no answer"] * len(urls)

    def ask(i: int) -> None:
        try:
            request = urllib.request.Request(urls[i], method="HEAD")
            with urllib.request.urlopen(request, timeout=_PROBE_SECONDS):
                reasons[i] = ""
        except HTTPError as error:
            # Anything but "not found" is a server that dislikes HEAD: the download will tell.
            reasons[i] = _one_line(error) if error.code in (404, 410) else ""
        except (OSError, ValueError) as error:
            reasons[i] = _one_line(error)

    threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(len(urls))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _PROBE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return "" if "" in reasons else next(iter(reasons), "sktime names no mirror")


def _one_line(error: BaseException) -> str:
    return " ".join(str(getattr(error, "reason", error)).split())[:200] or type(error).__name__


def _failed(name: str, reason: str) -> DatasetError:
    here = [entry.name for entry in list_datasets() if entry.source != "data-dir"]
    return DatasetError(
        f"data set {name!r} could not be downloaded ({reason}). Put its files into a folder as "
        f"DIR/{name}/{name}_TRAIN.ts and _TEST.ts (or .tsv, .arff) and give ",
        Setting("data_dir", "DIR"),
        f" (or TSPROMPT_DATA_DIR=DIR). Without network there are: {', '.join(here)}",
    )
