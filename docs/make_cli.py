"""Write the command line's reference (`make docs`): ``make_cli.py docs/reference/cli.md``."""

from __future__ import annotations

import html
import sys
from pathlib import Path

import typer.main
from typer.cli import get_docs_for_click

from tsprompt_cli.main import app


def reference() -> str:
    """The whole reference as Markdown."""
    command = typer.main.get_command(app)
    context = command.context_class(command, info_name="tsprompt")
    text = get_docs_for_click(obj=command, ctx=context, name="tsprompt", title="Command line")
    return html.unescape(text).rstrip() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
