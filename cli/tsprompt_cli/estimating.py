"""`--dry-run`: what the runs of a command would take, before any of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsprompt_cli.output import Format, emit, show, show_json

if TYPE_CHECKING:
    from tsprompt.benchmark import Cell, Machine, Record
    from tsprompt.data import Dataset
    from tsprompt.model.estimate import Estimate

__all__ = ["Planned", "Row", "estimated", "tell"]


@dataclass(frozen=True)
class Planned:
    """Runs that are alike: one cell stands for all."""

    cell: Cell
    runs: int = 1
    data: Dataset | None = None
    """What it is fitted on; None: the set of the cell."""
    predicts: bool = True
    """Whether test is predicted."""
    called: str = ""
    """What the row is called; by default the method's name."""


@dataclass(frozen=True)
class Row:
    """What is known of runs that are alike."""

    dataset: str
    method: str
    runs: int
    seconds: float | None
    """Of one run; None: unknown."""
    unknown: tuple[str, ...]
    """What the seconds leave out."""
    estimate: Estimate | None = None

    def told(self) -> dict[str, Any]:
        """For machines."""
        own = self.estimate
        figures = {} if own is None else dataclasses.asdict(own)
        for name in ("unknown", "refused"):
            figures.pop(name, None)
        return {
            "dataset": self.dataset,
            "method": self.method,
            "runs": self.runs,
            **figures,
            "seconds": self.seconds,
            "unknown": list(self.unknown),
            "refused": own.refused if own else None,
        }


def estimated(
    planned: Sequence[Planned],
    load: Callable[[Cell], Dataset],
    machine: Machine,
    *,
    threads: int | None = None,
    records: Sequence[Record] = (),
) -> Iterator[Row]:
    """A row for each.

    Parameters
    ----------
    load
        Gives the set of a cell; it raises a `TspromptError` where that is not at hand.
    records
        Runs that are there: by them is known how long a baseline takes.
    """
    from tsprompt.advice import expected_seconds
    from tsprompt.benchmark import estimate_run
    from tsprompt.errors import TspromptError

    for one in planned:
        cell, name = one.cell, one.called or one.cell.method.name
        try:
            data = load(cell) if one.data is None else one.data
            found = estimate_run(cell, data, machine, threads)
        except TspromptError as error:
            yield Row(cell.dataset, name, one.runs, None, (str(error),))
            continue
        if found is not None:
            spent = found.seconds if one.predicts else found.fit_seconds
            yield Row(cell.dataset, name, one.runs, spent, found.unknown, found)
            continue
        seconds = expected_seconds(cell, data, records)
        why = (
            () if seconds is not None else ("how long a baseline takes is known by its first run",)
        )
        yield Row(cell.dataset, name, one.runs, seconds, why)


def tell(rows: Sequence[Row], form: Format, jobs: int = 1) -> None:
    """Print them, and the time of all."""
    from tsprompt_cli.display.estimates import estimates_shown, total_seconds

    if form is Format.TABLE:
        show(*estimates_shown(rows, jobs))
    elif form is Format.JSON:
        total, whole = total_seconds(rows, jobs)
        told = [row.told() for row in rows]
        show_json({"estimates": told, "jobs": jobs, "seconds": total, "complete": whole})
    else:
        import pandas as pd

        from tsprompt.report import render

        frame = pd.DataFrame([row.told() for row in rows])
        frame["unknown"] = frame["unknown"].map("; ".join)
        emit(render(frame, form))
