"""Run many cells into a folder of results: several at a time, here or on a cluster.

Whoever runs cells claims each one first, so any number of runners can share a folder; a cell that
has a record is never run again. The folder tells all there is to know: a runner keeps nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tsprompt.base.backends import Backend, Local
from tsprompt.base.version import __version__
from tsprompt.benchmark.fork_client import Ended, stop, worker
from tsprompt.benchmark.gpu_turns import gpu_of, taking_turns
from tsprompt.benchmark.in_child import task_of
from tsprompt.benchmark.measure import Machine, cell_name, choices_of, failed, options_of
from tsprompt.benchmark.plan import Cell
from tsprompt.benchmark.record import Record
from tsprompt.benchmark.results import ResultsFolder

__all__ = ["Job", "State", "adopt", "finished", "made_elsewhere", "run_benchmark", "states"]

_TRIES = 3
"""How often a run is begun whose process is killed from outside, before it is left for later."""
_AGAIN = 1.0
"""Seconds between two looks at cells that another runner is at."""


@dataclass(frozen=True)
class Job:
    """How cells are run: what all of them share."""

    results: Path
    """A folder that all workers see."""
    loader: str
    """`module:function`, which gives the `Dataset` of a `Cell`."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the function is given beside the cell; JSON."""
    machine: Machine = field(default_factory=Machine)
    threads: int = 1
    """Threads of each cell."""
    gpu_runs: int = 1
    """Runs that share a GPU; the others wait."""
    timeout: float | None = None
    """Seconds for each cell."""
    retry_failed: bool = False
    """Whether cells that failed, or ran out of time, before this start are run again."""
    started: float = field(default_factory=time.time)


@dataclass(frozen=True)
class State:
    """Where a cell stands."""

    cell: Cell
    record: Record | None = None
    running: bool = False


def states(cells: Sequence[Cell], results: Path, machine: Machine) -> list[State]:
    """Where all these cells stand in a folder of results."""
    folder = ResultsFolder(results)
    names = [cell_name(cell, machine) for cell in cells]
    running = set(folder.begun())
    return [
        State(cell, folder.read(name), name in running)
        for cell, name in zip(cells, names, strict=True)
    ]


def finished(cells: Sequence[Cell], job: Job) -> tuple[list[Record], list[Cell]]:
    """The records that a job finds, and the cells that it has to run."""
    folder, found, left = ResultsFolder(job.results), [], []
    for name, cell in {cell_name(cell, job.machine): cell for cell in cells}.items():
        record = _finished(folder, name, job)
        if record is None:
            left.append(cell)
        else:
            found.append(record)
    return found, left


def made_elsewhere(records: Iterable[Record], cells: Iterable[Cell]) -> list[tuple[Cell, Record]]:
    """The records that are of these cells, beside them.

    Set, split, shots, seed, method, every option of every part and tsprompt's version are the same;
    what a cell leaves open (`auto`) may be anything. The device is not compared. A record without
    options is not taken, nor one of a file of one's own: its name says nothing of what is in it.
    """
    given = {
        _run_of(one, one.method): one
        for one in records
        if one.ok and one.options and one.versions.get("tsprompt") == __version__
    }
    asked: dict[str, dict[str, Any]] = {}
    found = []
    for cell in cells:
        name = cell.method.name
        record = given.get(_run_of(cell, name))
        if not record or cell.file is not None or record.settings != choices_of(cell.method):
            continue
        if name not in asked:  # parts are built for it, which many cells would wait for
            asked[name] = options_of(cell.method)
        if _as_asked(record.options, asked[name]):
            found.append((cell, record))
    return found


def _as_asked(made: dict[str, Any], asked: dict[str, Any]) -> bool:
    return made.keys() == asked.keys() and all(
        one in ("auto", made[name]) for name, one in asked.items()
    )


def adopt(records: Iterable[Record], cells: Sequence[Cell], job: Job) -> int:
    """Put records that were made elsewhere into the folder of a job, where it has none of their
    cells; gives how many."""
    folder = ResultsFolder(job.results)
    found = made_elsewhere(records, finished(cells, job)[1])
    for cell, record in found:
        record.write(folder.record_file(cell_name(cell, job.machine)))
    return len(found)


def _run_of(one: Cell | Record, method: str) -> tuple[object, ...]:
    return one.dataset, method, one.seed, one.resample, one.shots


def run_benchmark(
    cells: Sequence[Cell], job: Job, backend: Backend | None = None
) -> Iterator[Record]:
    """Run cells, but for those that have a record; each record is given as soon as it is there.

    Cells that another runner is at are waited for, and taken over if that runner ends. A run whose
    process is killed from outside is begun again; if that goes on, its record (`killed`) is given
    but not kept, so that the next start makes it.

    Parameters
    ----------
    backend
        Where they are run; None: here, one at a time.
    """
    backend = backend or Local(1)
    found, left = finished(cells, job)
    yield from found
    try:
        while left:
            busy = []
            for number, record in backend.map(_attempt, [(cell, job) for cell in left]):
                if record is None:
                    busy.append(left[number])
                else:
                    yield record
            if len(busy) == len(left):
                time.sleep(_AGAIN)
            left = busy
    finally:
        stop()


def _attempt(cell: Cell, job: Job) -> Record | None:
    """The record of a cell: one that is there, or that of a run; None where another is at it."""
    folder, name = ResultsFolder(job.results), cell_name(cell, job.machine)
    record = _finished(folder, name, job)
    if record is not None:
        return record
    with folder.claim(name) as mine:
        if not mine:
            return None
        record = _finished(folder, name, job)  # by another, a moment ago
        if record is not None:
            return record
        file = folder.record_file(name)
        file.unlink(missing_ok=True)
        task = {
            **task_of(cell, job.machine, job.loader, job.options),
            "threads": job.threads,
            "environment": {
                key: value
                for key, value in os.environ.items()
                if key in ("CUDA_VISIBLE_DEVICES", "TSPROMPT_DATA_DIR", "HF_HOME")
            },
            "record": str(file),
            "results": str(job.results),
            "predictions": folder.predictions_name(cell),
            "log": str(folder.log_file(name)),
        }
        ended = _in_turn(task, job, gpu_of(cell, job.machine))
        record = folder.read(name)
        if record is not None:
            return record
        if ended.status == "stopped":
            return None
        record = _lost(cell, ended, job.timeout)
        if ended.status != "killed":
            record.write(file)  # a run that was killed has not failed: the next start makes it
        return record


def _in_turn(task: dict[str, Any], job: Job, gpu: str | None) -> Ended:
    """Run a task when there is room on the GPU that it uses; again, if somebody kills it."""
    client = worker()
    with taking_turns(gpu, job.gpu_runs, lambda: not client.alive) as there:
        if not there:
            return Ended("stopped")
        for _ in range(_TRIES):
            ended = worker().run(task, job.timeout)
            if ended.status != "killed" or Path(task["record"]).exists():
                break
        return ended


def _finished(folder: ResultsFolder, name: str, job: Job) -> Record | None:
    record = folder.read(name)
    if record is None or record.ok or not job.retry_failed:
        return record
    fresh = folder.record_file(name).stat().st_mtime >= job.started
    return record if fresh else None


def _lost(cell: Cell, ended: Ended, timeout: float | None) -> Record:
    """The record of a run that could not write one."""
    if ended.status == "timed out":
        error = f"not finished after {timeout:g} seconds"
        return failed(cell, error, status="timed out")
    why, trace = ended.error or ("the run left no record", "")
    if ended.status == "killed":
        error = f"{why} {_TRIES} times; it is run again when the benchmark is started again"
        return failed(cell, error, status="killed", trace=trace or None)
    return failed(cell, why, trace=trace or None)
