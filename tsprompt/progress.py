"""How far long work has come, for whoever listens.

The library says where it is; a front end (the command line, a notebook) listens. Nobody listening
costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["bar", "listen", "report"]

_NOTE = ": "
"""Between a stage's name and a note."""
Listener = Callable[[str, float, float], None]

_listener: ContextVar[Listener | None] = ContextVar("tsprompt_progress", default=None)


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Call ``listener(stage, done, total)`` for all that is reported inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report(stage: str, done: float, total: float, note: str = "") -> None:
    """Say that `done` of `total` units of `stage` are finished; a note may change from one time to
    the next, and stands behind the stage's name."""
    listener = _listener.get()
    if listener is not None:
        listener(f"{stage}{_NOTE}{note}" if note else stage, done, total)


@contextmanager
def bar(console: Console | None = None) -> Iterator[None]:
    """Show what is reported inside the block as one Rich progress bar for each stage."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    console = console or Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as display:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: float, total: float) -> None:
            name = stage.partition(_NOTE)[0]
            if name not in tasks:
                tasks[name] = display.add_task(stage, total=total)
            display.update(tasks[name], description=stage, completed=done, total=total)

        with listen(show):
            yield
