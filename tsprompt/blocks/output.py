"""A folder of predictions: one Parquet file for each block of cases, and what they were made by.

::

    OUT/part-000000.parquet    predictions of a block, written whole or not there
    OUT/_predictions.json      the model, the files of cases, and the settings

A block that has its file is not predicted again, so a run that was killed goes on where it was.
What a worker that nobody waits for any more writes is what is to be written there: no case can be
lost or stand there twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tsprompt.base.files import check_folder, write_whole
from tsprompt.errors import ConfigError, Setting

__all__ = ["MANIFEST", "Origin", "PredictionsFolder"]

MANIFEST = "_predictions.json"
_LOCK = ".lock"
_FORMAT = 1
_OUT = Setting("out")
_SHOWN = 12
"""Digits of a digest in a message."""


@dataclass(frozen=True)
class Origin:
    """What predictions are made by: all of a folder are of one origin."""

    digest: str
    """The model's."""
    inputs: tuple[dict[str, Any], ...]
    """Of each file of cases `name`, `size` (bytes) and `modified` (nanoseconds since 1970)."""
    settings: dict[str, Any]
    """All else on which the files depend; JSON."""
    blocks: tuple[int, ...]
    """Cases of each block."""

    @property
    def cases(self) -> int:
        """Cases of all blocks."""
        return sum(self.blocks)

    def as_dict(self) -> dict[str, Any]:
        """As the manifest has it."""
        return {
            "format": _FORMAT,
            "model": self.digest,
            "inputs": list(self.inputs),
            "settings": self.settings,
            "blocks": list(self.blocks),
        }


class PredictionsFolder:
    """The files of one run, and of those that went before it."""

    def __init__(self, path: Path, origin: Origin) -> None:
        """`path` need not exist yet."""
        self.path, self.origin = path.expanduser().absolute(), origin

    def part(self, number: int) -> Path:
        """The file of a block."""
        return self.path / f"part-{number:06d}.parquet"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Nobody else writes into the folder while the block lasts.

        Raises
        ------
        ConfigError
            Another run is writing there; or the folder holds something else, or predictions of
            another origin.
        """
        check_folder(self.path, _OUT)
        if self.path.is_dir():
            self._check_content()
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / _LOCK, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise ConfigError(
                f"another run is writing its predictions to {self.path}; wait for its end, or give "
                "another folder as ",
                _OUT,
            ) from None
        try:
            self._begin()
            yield
        finally:
            lock.release()

    def _check_content(self) -> None:
        """See that the folder is empty, or holds predictions."""
        if (self.path / MANIFEST).exists():
            return
        others = sorted(one.name for one in self.path.iterdir() if one.name != _LOCK)
        others = [one for one in others if not one.startswith(f".{MANIFEST}.partial-")]
        if others:
            raise ConfigError(
                f"{self.path} holds {others[0]!r} and no {MANIFEST}, so it is no folder of "
                "predictions; give a new folder as ",
                _OUT,
            )

    def _begin(self) -> None:
        """Write the manifest, or compare it; clear away what a killed run has left half-written."""
        file, own = self.path / MANIFEST, self.origin.as_dict()
        if file.exists():
            self._compare(self._read(file), json.loads(json.dumps(own)))
        else:
            write_whole(file, json.dumps(own, indent=1) + "\n")
        for partial in self.path.glob(".*.partial-*"):
            partial.unlink(missing_ok=True)

    @staticmethod
    def _read(file: Path) -> dict[str, Any]:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{file} can't be read ({error}); delete the folder, or give another one as ", _OUT
            ) from None
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise ConfigError(
                f"{file} was written by another version of tsprompt; give another folder as ", _OUT
            )
        return found

    def _compare(self, held: dict[str, Any], own: dict[str, Any]) -> None:
        """See that what the folder holds is of this origin."""
        why = None
        if held.get("model") != own["model"]:
            then, now = (str(one)[:_SHOWN] for one in (held.get("model"), own["model"]))
            why = f"of another model (digest {then}..., and this one's is {now}...)"
        elif held.get("inputs") != own["inputs"]:
            why = (
                f"of other files: {_difference(_named(held.get('inputs')), _named(own['inputs']))}"
            )
        elif held.get("settings") != own["settings"]:
            made = held.get("settings")
            made = made if isinstance(made, dict) else {}
            why = f"made otherwise: {_difference(made, own['settings'])}"
        elif held.get("blocks") != own["blocks"]:
            why = "of other blocks of cases"
        if why is not None:
            raise ConfigError(
                f"{self.path} holds predictions {why}; give another folder as ",
                _OUT,
                ", or delete this one",
            )

    def done(self) -> set[int]:
        """Numbers of the blocks whose predictions are there, all of them."""
        return {
            number
            for number, cases in enumerate(self.origin.blocks)
            if _rows_of(self.part(number)) == cases
        }


def _rows_of(part: Path) -> int | None:
    """Cases in a file of predictions; None where there is no such file, or it is none."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return int(parquet.read_metadata(part).num_rows)
    except (OSError, pa.ArrowException):
        return None


def _named(inputs: Any) -> dict[str, Any]:
    """Name of a file -> all that is known of it."""
    held = inputs if isinstance(inputs, list) else []
    return {str(one.get("name")): one for one in held if isinstance(one, dict)}


def _difference(then: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing that is not the same."""
    for name in dict.fromkeys([*then, *now]):
        if name not in now:
            return f"{name} was among them"
        if name not in then:
            return f"{name} was not among them"
        if then[name] != now[name]:
            files = isinstance(now[name], dict) and "modified" in now[name]
            return f"{name} has changed since" if files else f"{name} was {_short(then[name])}"
    return "they stood in another order"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
