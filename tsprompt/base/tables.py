"""How tables look in a terminal: the reports' and the commands' alike."""

from __future__ import annotations

from rich import box
from rich.table import Table

from tsprompt.base.names import for_terminal

__all__ = ["plain_table"]


def plain_table(title: str | None = None) -> Table:
    """An empty table with one line, under the head; narrow, so that 80 columns hold it."""
    return Table(
        title=None if title is None else for_terminal(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
