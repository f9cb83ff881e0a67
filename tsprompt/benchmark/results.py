"""A folder of results: which cells are done, and who is at which.

::

    RESULTS/plans/DIGEST.json                            what was asked for
    RESULTS/records/SET.METHOD-seedK-DIGEST.json         one record for each run
    RESULTS/METHOD/Predictions/SET/testResample0.csv     what it predicted, as tsml has it
    RESULTS/running/NAME.lock                            held by whoever runs the cell
    RESULTS/set-aside/                                   records that could not be read

A claim is a lock of the operating system: it is gone with the process that held it, however that
ended.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

from filelock import FileLock, Timeout

from tsprompt.base.files import write_whole
from tsprompt.base.names import for_file
from tsprompt.benchmark.measure import Machine
from tsprompt.benchmark.plan import Cell, Method
from tsprompt.benchmark.plan_file import Plan
from tsprompt.benchmark.record import Record, read_record
from tsprompt.errors import ConfigError, ModelFileError, notice

__all__ = ["ResultsFolder"]


class ResultsFolder:
    """The folder of results at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records = root / "records"
        self._running = root / "running"

    def record_file(self, name: str) -> Path:
        """Where the record of this name lies."""
        return self.records / f"{for_file(name)}.json"

    def log_file(self, name: str) -> Path:
        """Where the run of this name writes what its libraries say."""
        return self._running / f"{for_file(name)}.log"

    @staticmethod
    def predictions_name(cell: Cell) -> str:
        """Where predictions lie in the folder. A run beside the first has a method of its own."""
        method = cell.method.name
        if cell.seed != cell.resample:
            method += f", run {cell.seed - cell.resample}"
        if cell.shots is not None:
            method += f", {cell.shots} shots"
        folder = f"{for_file(method)}/Predictions/{for_file(cell.dataset)}"
        return f"{folder}/testResample{cell.resample}.csv"

    def read(self, name: str) -> Record | None:
        """The record of a run, if there is one; one that can't be read is set aside."""
        path = self.record_file(name)
        if not os.path.lexists(path):
            return None
        try:
            return read_record(path)
        except ModelFileError:
            self._set_aside(path)
            return None

    def _set_aside(self, path: Path) -> None:
        """Move what is no record, be it a file or a folder, out of the way."""
        home = self.root / "set-aside"
        marks = chain([""], map("-{}".format, count(2)))
        free = (home / f"{path.stem}{mark}{path.suffix}" for mark in marks)
        try:
            home.mkdir(exist_ok=True)
            path.replace(next(one for one in free if not os.path.lexists(one)))
        except OSError as error:
            notice(
                f"{path} is no record of a run, and can't be set aside ({error.strerror}): the run "
                "counts as not made"
            )
            return
        notice(f"{path} was no record of a run: it now lies in {home}, and the run is made again")

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Whether nobody else is at this run; nobody will be while the block lasts."""
        self._running.mkdir(parents=True, exist_ok=True)
        with self._locked(self._running / f"{for_file(name)}.lock") as free:
            yield free

    @staticmethod
    @contextmanager
    def _locked(file: Path) -> Iterator[bool]:
        lock = FileLock(file, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def begun(self) -> list[str]:
        """Names of the runs that somebody is at; where the folder can't be written, a notice says
        that this can't be seen."""
        found = []
        for file in sorted(self._running.glob("*.lock")):
            try:
                with self._locked(file) as free:
                    if not free:
                        found.append(file.stem)
            except OSError as error:
                if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                    raise
                notice(
                    f"{self._running} can't be written ({error.strerror}): which runs are going on "
                    "can't be seen from here"
                )
                break
        return found

    def add_plan(self, plan: Plan, machine: Machine) -> None:
        """Write down what was asked for.

        Raises
        ------
        ConfigError
            A method of this name was asked for before, with other choices: in reports, the two
            could not be told apart.
        """
        known = {method.name: method for other, _ in self.plans() for method in other.methods}
        for method in plan.methods:
            other = known.get(method.name, method)
            if (other.recipe, other.settings) != (method.recipe, method.settings):
                raise ConfigError(
                    f"{self.root} has runs of {method.name!r} with other choices "
                    f"({_choices(other)}; here {_choices(method)}); give it a name of its own in "
                    "a plan, or use another folder"
                )
        kept = {"plan": plan.as_dict(), "machine": dataclasses.asdict(machine)}
        text = json.dumps(kept, indent=1, sort_keys=True) + "\n"
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        write_whole(self.root / "plans" / f"{name}.json", text)

    def plans(self) -> list[tuple[Plan, Machine]]:
        """All that was asked for."""
        found = []
        for file in sorted((self.root / "plans").glob("*.json")):
            try:
                kept = json.loads(file.read_text(encoding="utf-8"))
                found.append((Plan.from_dict(kept["plan"]), Machine(**kept["machine"])))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"{file} is no plan ({error}); delete it") from None
        return found


def _choices(method: Method) -> str:
    """What a method was asked to be, in a few words."""
    chosen = [f"{key}={value}" for key, value in method.settings.items()]
    return ", ".join([f"recipe={method.recipe}", *chosen])
