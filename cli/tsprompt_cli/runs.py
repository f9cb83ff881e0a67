"""Runs of one command, one after the other: progress, how long it takes, Ctrl-C, a budget."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from tsprompt_cli.option_groups import Machine
from tsprompt_cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tsprompt.benchmark import Cell, Record
    from tsprompt.data import Dataset

__all__ = ["Runs"]


class Runs:
    """All records of some cells, and what is known of them while they come.

    Parameters
    ----------
    probe
        After so many of the cells it is said how long the others will take; 0: it is not.
    budget
        Seconds: what would take longer is not begun. None: all is run.
    """

    def __init__(
        self,
        title: str,
        cells: Sequence[Cell],
        load: Callable[[Cell], Dataset],
        machine: Machine,
        folder: Path | None,
        *,
        probe: int = 0,
        budget: float | None = None,
    ) -> None:
        self.title, self.cells, self.load = title, cells, load
        self.machine, self.folder = machine.library(), folder
        self.probe, self.budget = probe, budget
        self.done: list[Record] = []
        self.skipped: list[Cell] = []
        """Cells that were not begun, for the budget."""

    def run(self) -> list[Record]:
        """Run them; records that are in the folder already are read.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C; the text says where finished runs are, and `done` has them.
        """
        from tsprompt.benchmark import run_cells
        from tsprompt_cli.display.progress_bars import working

        started = time.monotonic()
        try:
            with working(self.title, len(self.cells)) as work:
                for i, cell in enumerate(self.cells, start=1):
                    work.start(_called(cell))
                    dataset = self.load(cell)
                    if self._is_too_long(cell, dataset, time.monotonic() - started):
                        self.skipped.append(cell)
                        work.finish(f"{i} of {len(self.cells)}: {_called(cell)}: not begun")
                        continue
                    self.done += run_cells([cell], lambda _: dataset, self.machine, self.folder)  # noqa: B023
                    said = _outcome(self.done[-1])
                    work.finish(f"{i} of {len(self.cells)}: {_called(cell)}: {said}")
                    if i == self.probe:
                        self._say_how_long(self.cells[i:])
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._kept()) from None
        return self.done

    def say_failures(self) -> bool:
        """Name the runs that failed; whether there are any."""
        failed = [record for record in self.done if not record.ok]
        for record in failed:
            say("Failed", f"{_name(record)}: {record.error}", "red")
        return bool(failed)

    def _kept(self) -> str:
        where = (
            f"are in {self.folder}; the same command goes on from there"
            if self.folder
            else "are lost; --records DIR keeps them"
        )
        return f"{len(self.done)} of {len(self.cells)} runs {where}"

    def _is_there(self, cell: Cell, dataset: Dataset) -> bool:
        from tsprompt.base.files import is_file
        from tsprompt.benchmark import record_file

        folder = self.folder
        return folder is not None and is_file(record_file(folder, cell, dataset, self.machine))

    def _is_too_long(self, cell: Cell, dataset: Dataset, passed: float) -> bool:
        if self.budget is None or self._is_there(cell, dataset):
            return False
        return passed + self._expected(cell, dataset) > self.budget

    def _expected(self, cell: Cell, dataset: Dataset) -> float:
        from tsprompt.advice import expected_seconds

        return expected_seconds(cell, dataset, self.done) or 0.0

    def _say_how_long(self, left: Sequence[Cell]) -> None:
        """The time of the runs that are to come, by those that are there."""
        from tsprompt.base.numbers import duration

        new = [(cell, data) for cell in left if not self._is_there(cell, data := self.load(cell))]
        seconds = sum(self._expected(cell, data) for cell, data in new)
        if not new or seconds < 2:
            return
        most = self.budget is not None and seconds > self.budget
        end = f"; the budget ends them after {duration(self.budget or 0)}" if most else ""
        say("Time", f"about {duration(seconds)} for the {len(new)} runs to come{end}", "cyan")


def _called(cell: Cell) -> str:
    shots = "" if cell.shots is None else f", {cell.shots} shots"
    split = f", split {cell.resample}" if cell.resample else ""
    return f"{cell.dataset}, {cell.method.name}{shots}{split}, seed {cell.seed}"


def _name(record: Record) -> str:
    shots = "" if record.shots is None else f", {record.shots} shots"
    split = f", split {record.resample}" if record.resample else ""
    return f"{record.dataset}, {record.method}{shots}{split}, seed {record.seed}"


def _outcome(record: Record) -> str:
    return f"accuracy {record.accuracy:.3f}" if record.ok else f"failed: {record.error}"
