"""What was made of a file, kept under the hash of its bytes and of the options it was read with.

An entry is an .npz without pickled objects. Like the entries of the archives' files it only saves
time: what can't be read is made again, what can't be written is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tsprompt.data import Cases
from tsprompt_datasets.cache import read_arrays, write_arrays
from tsprompt_datasets.own_data.content import Content

__all__ = ["entry_name", "kept_or_made"]

VERSION = 2
"""Raise it when reading changes what it makes of a file: what was kept is then not used."""


def entry_name(sha256: str, suffix: str, *matters: dict[str, Any] | None) -> str:
    """The name of an entry: another one if anything that matters is another."""
    text = json.dumps([sha256, suffix, *matters], sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()}.own.v{VERSION}.npz"


def kept_or_made(name: str, make: Callable[[], Content]) -> Content:
    """What an entry holds, or what is made now and kept for the next time."""
    arrays = read_arrays(name)
    if arrays is not None:
        content = _content(arrays)
        if content is not None:
            return content
    content = make()
    write_arrays(name, _arrays(content))
    return content


def _arrays(content: Content) -> dict[str, Any]:
    cases = content.cases
    about = {
        "understood": content.understood,
        "columns": content.columns,
        "features": cases.features,
        "ids": cases.ids,
    }
    block = next((own for _, own in cases.groups()), None) if cases.equal_length else None
    return {
        "values": np.concatenate(list(cases))
        if block is None
        else block.reshape(-1, block.shape[2]),
        "lengths": cases.lengths,
        "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
        "labels": np.array([]) if content.labels is None else content.labels,
        "groups": np.array([], dtype=str) if content.groups is None else content.groups,
    }


def _content(arrays: dict[str, Any]) -> Content | None:
    """The same again; None if the entry is damaged."""
    try:
        values, lengths = arrays["values"], arrays["lengths"]
        about = json.loads(arrays["about"].tobytes())
        labels, groups = arrays["labels"], arrays["groups"]
        if values.ndim != 2 or lengths.sum() != len(values) or lengths.min() < 1:
            return None
        if any(len(one) not in (0, len(lengths)) for one in (labels, groups)):
            return None
        same = bool((lengths == lengths[0]).all())
        cases = Cases(
            values.reshape(len(lengths), -1, values.shape[1])
            if same
            else np.split(values, np.cumsum(lengths)[:-1]),
            ids=about["ids"],
            features=about["features"],
        )
        return Content(
            cases,
            labels if len(labels) else None,
            groups if len(groups) else None,
            tuple(about["understood"]),
            dict(about["columns"]),
        )
    except (KeyError, ValueError, TypeError):
        return None
