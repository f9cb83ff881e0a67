"""A benchmark, live: runs done, what runs now, time left, the last results."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tsprompt.base.names import for_terminal
from tsprompt_cli.output import console, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from tsprompt.benchmark import Cell, Job, Record

__all__ = ["Watch", "watching"]

_LAST = 6
"""Results that stay on the screen."""


class Watch:
    """Shows the records of a benchmark as they come."""

    def __init__(self, bars: Progress, cells: Sequence[Cell], job: Job, screen: Console) -> None:
        from tsprompt.benchmark import ResultsFolder, cell_name

        self._bars, self._screen = bars, screen
        self._folder = ResultsFolder(job.results)
        self._names = {cell_name(cell, job.machine): cell for cell in cells}
        self._task = bars.add_task("runs", total=len(self._names))
        self._last: deque[str] = deque(maxlen=_LAST)
        self._done = self._failed = 0

    def skip(self, records: Sequence[Record]) -> None:
        """These were there before."""
        if records:
            say("Found", f"{len(records)} of {len(self._names)} runs are done already", "cyan")
        self._done += len(records)
        self._failed += sum(not record.ok for record in records)
        # A new start, for the estimate of what is left.
        self._bars.reset(self._task, completed=len(records), total=len(self._names))

    def finish(self, record: Record) -> None:
        """A run has ended."""
        self._done += 1
        self._failed += not record.ok
        said = f"{record.accuracy:.3f}" if record.accuracy is not None else record.status
        split = f" resample {record.resample}" if record.resample else ""
        line = f"{said}  {record.dataset}, {record.method},{split} seed {record.seed}"
        self._last.append(line)
        self._bars.advance(self._task)
        if not self._screen.is_terminal:
            text = f"{self._done} of {len(self._names)}: {line}"
            self._screen.print(for_terminal(text, "dim"), soft_wrap=True)

    def __rich__(self) -> Any:
        """What the terminal shows now."""
        from rich.console import Group
        from rich.text import Text

        lines = [for_terminal(line, "dim") for line in self._last]
        running = [self._names[name] for name in self._folder.begun() if name in self._names]
        if running:
            named = "; ".join(f"{one.dataset}, {one.method.name}" for one in running)
            lines.append(for_terminal(f"running: {named}"))
        if self._failed:
            lines.append(Text(f"failed: {self._failed}", style="red"))
        return Group(*lines, self._bars)


@contextmanager
def watching(cells: Sequence[Cell], job: Job) -> Iterator[Watch]:
    """Show how far a benchmark has come; where there is no terminal, a line for each run."""
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    screen = console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]left"),
        TimeRemainingColumn(),
        console=screen,
    )
    watch = Watch(bars, cells, job, screen)
    if not screen.is_terminal:
        yield watch
        return
    with Live(watch, console=screen, transient=True, refresh_per_second=2):
        yield watch
