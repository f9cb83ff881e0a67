"""What the child of a fork server does: one cell, from the set's files to the record's file."""

from __future__ import annotations

import dataclasses
import os
import pkgutil
import resource
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from tsprompt.benchmark.environment import commit, versions
from tsprompt.benchmark.measure import Machine, noting, run_cell
from tsprompt.benchmark.plan import Cell, Method
from tsprompt.benchmark.record import Record
from tsprompt.data import FileSet
from tsprompt.errors import TspromptError, TspromptNotice

__all__ = ["perform", "task_of", "warm"]

_EVERY_RUN = (
    "huggingface_hub.repocard",
    "jinja2",
    "pandas",
    "scipy.linalg",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.pipeline",
    "tsprompt.benchmark.tsml",
)
"""Imported inside functions elsewhere, which would take each child over a second after the fork."""


def task_of(cell: Cell, machine: Machine, loader: str, options: dict[str, Any]) -> dict[str, Any]:
    """All that `perform` needs, as JSON has it.

    Parameters
    ----------
    loader
        `module:function`, which gives the `Dataset` of a `Cell`.
    options
        What the function is given beside the cell.
    """
    return {
        "cell": dataclasses.asdict(cell),
        "machine": dataclasses.asdict(machine),
        "loader": loader,
        "options": options,
    }


def warm(task: dict[str, Any]) -> None:
    """Import what every run needs, and load a cell's language model, for all children to come;
    the latter on a CPU only."""
    for module in _EVERY_RUN:
        import_module(module)
    versions(), commit()  # which are kept
    cell, machine = _parse(task)
    if cell.method.kind == "baseline":
        from tsprompt.baselines import baselines

        baselines.build(cell.method.settings["baseline"]).check()
        return
    from tsprompt.backbones.catalogue import split_name
    from tsprompt.backbones.load import pick_device
    from tsprompt.benchmark.measure import import_for
    from tsprompt.classifier import PromptClassifier  # noqa: F401  (imports all that a fit needs)
    from tsprompt.model.design import Design
    from tsprompt.model.open_backbone import open_backbone

    design = Design.build(cell.method.resolved())
    design.choose_layers()
    import_for(design)
    twin, _ = split_name(design.backbone)
    # Weights that are drawn are drawn by the child, from a seed of its own.
    if pick_device(machine.device).type == "cpu" and twin not in ("random", "shuffled"):
        open_backbone(design, cell.seed, device=machine.device, dtype=machine.dtype)


def perform(task: dict[str, Any]) -> None:
    """Run the cell of a task, and write its predictions and its record, in this order."""
    os.environ.update(task["environment"])
    _limit_threads(task["threads"])
    cell, machine = _parse(task)
    warnings.simplefilter("ignore", TspromptNotice)  # the record holds them
    load = pkgutil.resolve_name(task["loader"])
    try:
        with noting() as notes:
            dataset = load(cell, **task["options"])
    except TspromptError as error:
        from tsprompt.benchmark.measure import failed

        failed(cell, str(error)).write(Path(task["record"]))
        return
    record, predictions = run_cell(cell, dataset, machine)
    record = dataclasses.replace(record, notes=[*notes, *record.notes], peak_memory_bytes=_peak())
    if predictions is not None:
        record = _keep(record, predictions, Path(task["results"]), task["predictions"])
    record.write(Path(task["record"]))


def _keep(record: Record, predictions: Any, results: Path, name: str) -> Record:
    from tsprompt.benchmark.tsml import write_predictions

    write_predictions(results / name, record, predictions)
    return dataclasses.replace(record, predictions=name)


def _parse(task: dict[str, Any]) -> tuple[Cell, Machine]:
    cell = task["cell"]
    file = FileSet(**cell["file"]) if cell["file"] else None
    made = Cell(**{**cell, "method": Method(**cell["method"]), "file": file})
    return made, Machine(**task["machine"])


def _limit_threads(threads: int) -> None:
    """For what has been imported, and for what will be."""
    import torch
    from threadpoolctl import threadpool_limits

    for name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    if "numba" in sys.modules:
        numba = sys.modules["numba"]
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def _peak() -> int:
    """Bytes; what the child shares with its fork server is among them."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
