"""Many records in one JSON file: what is kept of a benchmark where its folder would be too large.

::

    {"command": "tsprompt report results/ucr --pack ucr.json", "versions": {...},
     "methods": {"default": {
       "always": {"kind": "model", "shots": null, "settings": {...}, "options": {...}, ...},
       "columns": ["dataset", "seed", "accuracy", ...],
       "runs": [["GunPoint", 0, 0.986667, ...], ...]}, ...}}

What all figures of a report are made of is kept of each run, and what is the same in all runs of a
method once; `tsprompt report FILE` reads it as it reads a folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tsprompt.base.files import write_whole
from tsprompt.benchmark.record import Record, record_of
from tsprompt.errors import ModelFileError

__all__ = ["read_packed", "write_packed"]

_KEPT = (
    *("dataset", "kind", "seed", "resample", "shots", "status", "error"),
    *("settings", "options", "weights_hash", "device", "dtype", "n_test"),
    *("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "fit_seconds", "predict_seconds"),
    *("lm_seconds", "fit_tokens", "predict_tokens", "trainable_parameters", "total_parameters"),
    "model_bytes",
)
_DIGITS = 6
"""Significant digits of a figure."""


def write_packed(path: Path, records: Iterable[Record], command: str) -> Path:
    """Write records to one file, all of it or nothing; `command` is what made them.

    Raises
    ------
    TspromptError
        It can't be written.
    """
    by_method: dict[str, list[Record]] = {}
    versions: dict[str, str] = {}
    for record in records:
        by_method.setdefault(record.method, []).append(record)
        versions = versions or record.versions
    head = json.dumps({"command": command, "versions": versions}, indent=1).removesuffix("\n}")
    methods = ",\n".join(f"  {json.dumps(one)}: {_pack(own)}" for one, own in by_method.items())
    return write_whole(path, f'{head},\n "methods": {{\n{methods}\n }}\n}}\n')


def _pack(records: list[Record]) -> str:
    """The runs of a method: a line for each, so that what changes from one benchmark to the next
    can be read off."""
    kept = {name: [getattr(record, name) for record in records] for name in _KEPT}
    always = {name: own[0] for name, own in kept.items() if all(one == own[0] for one in own)}
    columns = [name for name in kept if name not in always]
    rows = zip(*(kept[name] for name in columns), strict=True) if columns else [()] * len(records)
    lines = ",\n".join(f"    {json.dumps([_shortened(one) for one in row])}" for row in rows)
    told = json.dumps({name: own for name, own in always.items() if own not in (None, {})})
    return (
        f'{{\n   "always": {told},\n   "columns": {json.dumps(columns)},\n'
        f'   "runs": [\n{lines}\n   ]\n  }}'
    )


def _shortened(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def read_packed(path: Path) -> list[tuple[str, Record | ModelFileError]]:
    """What each run of a packed file is called, and its record or what is wrong with it.

    Raises
    ------
    ModelFileError
        The file can't be read, or holds no runs.
    """
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        told, methods = {"versions": found["versions"]}, found["methods"].items()
        runs = [run for method, own in methods for run in _unpacked(method, own, told)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(
            f"{path} holds no packed runs ({error}); give a folder of results, or a file that "
            "`tsprompt report --pack` wrote"
        ) from None
    return [(name, _read(run)) for name, run in runs]


def _unpacked(
    method: str, own: dict[str, Any], told: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """What each run of a method is called, and its fields; None: it is no row of the columns."""
    always, columns = {"method": method, **told, **own["always"]}, list(own["columns"])
    for number, row in enumerate(own["runs"], 1):
        fits = isinstance(row, list) and len(row) == len(columns)
        run = {**always, **dict(zip(columns, row, strict=True))} if fits else None
        yield f"run {number} of {method}", run


def _read(run: dict[str, Any] | None) -> Record | ModelFileError:
    if run is None:
        return ModelFileError("it has not a figure for each column")
    try:
        return record_of(json.dumps(run))
    except ValueError as error:
        return ModelFileError(f"no record of a run ({error})")
