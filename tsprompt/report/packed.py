"""Many records in one JSON file: what is kept of a benchmark where its folder would be too large.

::

    {"command": "tsprompt bench run benchmarks/ucr.toml", "versions": {...},
     "settings": {"default": {"strategy": "shared", ...}, ...},
     "runs": [{"dataset": "GunPoint", "method": "default", "kind": "model", ...}, ...]}

What all figures of a report are made of is kept of each run, and the choices of each method once;
`tsprompt report FILE` reads it as it reads a folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tsprompt.base.files import write_whole
from tsprompt.benchmark.record import Record, record_of
from tsprompt.errors import ModelFileError
from tsprompt.report.ablations import settings_of

__all__ = ["read_packed", "write_packed"]

_KEPT = (
    *("dataset", "method", "kind", "seed", "resample", "shots", "status", "error"),
    *("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "fit_seconds", "predict_seconds"),
    *("lm_seconds", "fit_tokens", "predict_tokens", "trainable_parameters", "total_parameters"),
    *("report", "weights_hash", "model_bytes"),
)


def write_packed(path: Path, records: Iterable[Record], command: str) -> Path:
    """Write records to one file, all of it or nothing; `command` is what made them.

    Raises
    ------
    TspromptError
        It can't be written.
    """
    records = list(records)
    runs = [
        {name: value for name in _KEPT if (value := getattr(record, name)) not in (None, {})}
        for record in records
    ]
    versions = next((record.versions for record in records if record.versions), {})
    about = {"command": command, "versions": versions, "settings": settings_of(records)}
    head = json.dumps(about, indent=1).removesuffix("\n}")
    # A line for each run: what changes from one benchmark to the next can be read off.
    lines = ",\n".join(f"  {json.dumps(run)}" for run in runs)
    return write_whole(path, f'{head},\n "runs": [\n{lines}\n ]\n}}\n')


def read_packed(path: Path) -> list[tuple[str, Record | ModelFileError]]:
    """What each run of a packed file is called, and its record or what is wrong with it.

    Raises
    ------
    ModelFileError
        The file can't be read, or holds no runs.
    """
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        runs, settings = found["runs"], found.get("settings", {})
        if not isinstance(runs, list) or not isinstance(settings, dict):
            raise TypeError("its runs are no list, or its settings no table")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(
            f"{path} holds no packed runs ({error}); give a folder of results, or a file that "
            "`tsprompt report --pack` wrote"
        ) from None
    return [(f"run {number}", _read(run, settings)) for number, run in enumerate(runs, 1)]


def _read(run: Any, settings: dict[str, Any]) -> Record | ModelFileError:
    own = settings.get(str(run.get("method"))) if isinstance(run, dict) else None
    try:
        return record_of(json.dumps(run if own is None else {**run, "settings": own}))
    except ValueError as error:
        return ModelFileError(f"no record of a run ({error})")
