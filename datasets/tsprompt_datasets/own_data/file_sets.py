"""Files of one's own in a benchmark, told in full: any process and machine reads the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tsprompt.base.names import for_file
from tsprompt.data import Dataset, FileSet
from tsprompt.errors import ConfigError, DatasetError, near_names
from tsprompt_datasets.own_data.data_file import STDIN
from tsprompt_datasets.own_data.options import ReadOptions, SplitOptions
from tsprompt_datasets.own_data.read import read_own

__all__ = ["file_set", "file_set_of", "load_file_set"]

_SPLIT = ("test", "test_size", "cv")


def file_set(path: str, options: ReadOptions, parting: SplitOptions, name: str = "") -> FileSet:
    """Read a file once, and tell it in full.

    Raises
    ------
    DatasetError
        It can't be read, or is unfit to learn from.
    ConfigError
        It is standard input, which can be read once only.
    """
    if path == STDIN:
        raise ConfigError("a benchmark reads its data once for each run; write them to a file")
    whole = str(Path(path).expanduser().absolute())
    if parting.test is not None:
        parting = dataclasses.replace(parting, test=str(Path(parting.test).absolute()))
    own = read_own(whole, options, parting)
    said = {key: value for key in _SPLIT if (value := getattr(parting, key)) is not None}
    called = for_file(name or own.dataset.name)
    return FileSet(called, whole, {**options.as_dict(), **said}, dict(own.dataset.sha256))


def file_set_of(found: dict[str, Any]) -> FileSet:
    """The same from a plan: `{ path = "long.csv", label = "state" }`.

    Raises
    ------
    ConfigError
        There is no path, or an option is unknown or of the wrong type.
    """
    fields = {one.name for one in dataclasses.fields(ReadOptions)}
    known = {*fields, *_SPLIT, "path", "name"}
    for key in found:
        if key not in known:
            raise ConfigError(f"no option of a file is called {key!r}; {near_names(key, known)}")
    texts = {"path", "name", "label", "id", "time", "layout", "groups", "test"}
    for key, value in found.items():
        if key in texts and not isinstance(value, str):
            raise ConfigError(f"{key} of a file is a text, not {value!r}")
    if "path" not in found:
        raise ConfigError('a file in a plan needs a path, as in { path = "long.csv" }')
    reading, parting = _options({k: v for k, v in found.items() if k not in ("path", "name")})
    return file_set(found["path"], reading, parting, found.get("name", ""))


def load_file_set(held: FileSet, draw: int) -> Dataset:
    """The data set, in this draw of train and test.

    Raises
    ------
    DatasetError
        The file has changed since it was planned, or can't be read.
    """
    reading, parting = _options(held.options)
    own = read_own(held.path, reading, parting)
    if own.dataset.sha256 != held.sha256:
        raise DatasetError(
            f"{held.path}: has changed since these runs were planned; start `tsprompt bench run` "
            "with it again"
        )
    return dataclasses.replace(own.drawn(draw), name=held.name)


def _options(found: dict[str, Any]) -> tuple[ReadOptions, SplitOptions]:
    split = {key: value for key, value in found.items() if key in _SPLIT}
    rest = {key: value for key, value in found.items() if key not in _SPLIT}
    try:
        return ReadOptions(**rest), SplitOptions(**split)
    except TypeError as error:
        raise ConfigError(f"these options of a file can't be used: {error}") from None
