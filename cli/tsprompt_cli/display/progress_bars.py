"""Progress bars on stderr; where that is no terminal, one line for each finished piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tsprompt import progress
from tsprompt.base.names import for_terminal, visible
from tsprompt_cli.output import console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Work", "working"]


@dataclass
class Work:
    """Work that consists of `total` pieces, each with stages that the library reports."""

    bars: Progress
    whole: TaskID
    piece: TaskID
    name: str = ""

    def start(self, name: str) -> None:
        """The next piece begins."""
        self.name = visible(name)
        self.bars.reset(self.piece, description=f"  {self.name}", total=None)

    def skip(self, pieces: int) -> None:
        """So many pieces were done before."""
        self.bars.advance(self.whole, pieces)

    def stage(self, stage: str, done: float, total: float) -> None:
        """The library has come so far with a stage of the piece."""
        self.bars.update(
            self.piece, description=f"  {self.name} · {visible(stage)}", completed=done, total=total
        )

    def finish(self, said: str) -> None:
        """The piece is done."""
        self.bars.advance(self.whole)
        if self.bars.disable:
            self.bars.console.print(for_terminal(said, "dim"), soft_wrap=True)


@contextmanager
def working(title: str, total: int = 1) -> Iterator[Work]:
    """Show how far work has come; the bars vanish at its end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    errors = console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
    )
    counted = (*columns[:2], MofNCompleteColumn(), columns[2]) if total > 1 else columns
    with Progress(*counted, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        whole = bars.add_task(title, total=total, visible=total > 1)
        work = Work(bars, whole, bars.add_task(title, total=None))
        with progress.listen(work.stage):
            yield work
