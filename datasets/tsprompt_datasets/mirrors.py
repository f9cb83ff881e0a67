"""Where the archives can be had: public places, and which files of a set each of them has."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["MIRRORS", "Mirror", "RemoteFile"]

SECONDS = (5.0, 60.0)
"""How long to wait for a connection, and for each further piece."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch."""

    name: str
    """What it is called."""
    url: str
    """Where it is."""
    known_hash: str | None
    """What it must hash to, as `sha256:...` or `md5:...`; None where the place does not say."""


@dataclass(frozen=True)
class Mirror:
    """A place that has sets."""

    name: str
    """What messages call it."""
    find: Callable[[str], list[RemoteFile]]
    """Name of a set -> train and test, or a .zip of both; raises what `requests` raises."""


def _hugging_face(name: str) -> list[RemoteFile]:
    """sktime's data sets on the Hugging Face Hub, or on the one that HF_ENDPOINT names."""
    base = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    repository = "sktime/tsc-datasets"
    listing = _json(f"{base}/api/datasets/{repository}/tree/main/{name}")
    return [
        RemoteFile(
            one["path"].rpartition("/")[2],
            f"{base}/datasets/{repository}/resolve/main/{one['path']}",
            f"sha256:{one['lfs']['oid']}" if one.get("lfs") else None,
        )
        for one in listing
        if _wanted(name, one["path"].rpartition("/")[2])
    ]


def _zenodo(name: str) -> list[RemoteFile]:
    """The records of the TSML community on Zenodo, which has variants of a set in its record."""
    records = _records()
    record = records.get(name) or records.get(re.sub(r"(_nmv|_eq)+$", "", name))
    if record is None:
        return []
    listing = _json(f"{ZENODO}/api/records/{record}")
    return [
        RemoteFile(one["key"], one["links"]["self"], one.get("checksum"))
        for one in listing["files"]
        if _wanted(name, one["key"])
    ]


ZENODO = "https://zenodo.org"


def _zipped(base: str) -> Callable[[str], list[RemoteFile]]:
    return lambda name: [RemoteFile(f"{name}.zip", f"{base}/{name}.zip", None)]


MIRRORS = (
    Mirror("Hugging Face", _hugging_face),
    Mirror(
        "timeseriesclassification.com",
        _zipped("https://timeseriesclassification.com/aeon-toolkit"),
    ),
    Mirror("Zenodo", _zenodo),
    Mirror("GitHub", _zipped("https://github.com/sktime/sktime-datasets/raw/main/TSC")),
)
"""In the order in which they are asked; any one of them will do."""


def _wanted(name: str, file: str) -> bool:
    return file in (f"{name}_TRAIN.ts", f"{name}_TEST.ts")


def _json(url: str) -> Any:
    import requests

    answer = requests.get(url, timeout=SECONDS)
    answer.raise_for_status()
    return answer.json()


@cache
def _records() -> dict[str, str]:
    """Name of a set -> number of its record on Zenodo."""
    text = (files("tsprompt_datasets") / "sets" / "zenodo.txt").read_text("utf-8")
    return dict(line.split() for line in text.splitlines())
