"""`tsprompt doctor`: what this machine has, and what is missing for which feature."""

from __future__ import annotations

from typing import Any

from tsprompt_cli.options import Form
from tsprompt_cli.output import Format, chosen, grid, show, show_json

__all__ = ["doctor"]


def doctor(form: Form = None) -> None:
    """Say what this machine has: devices, backbones, data sets, versions, and what is missing."""
    from tsprompt_cli.checkup import checkup

    found = checkup()
    if chosen(form, None) is not Format.TABLE:
        show_json(found)
        return
    for title, lines in found.items():
        show(f"[bold]{title}[/bold]", grid(_lines(lines)), "")


def _lines(lines: dict[str, Any]) -> list[Any]:
    return [(f"  {name}", _marked(str(value))) for name, value in lines.items()]


def _marked(value: str) -> Any:
    from rich.text import Text

    style = "yellow" if value.startswith("missing") else ""
    return Text(value, style=style)
