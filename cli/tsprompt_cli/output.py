"""Where the commands' words go: results to stdout, all else to stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tsprompt.base.names import for_terminal
from tsprompt.errors import ConfigError, Setting

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

__all__ = [
    "Format",
    "check_target",
    "chosen",
    "console",
    "emit",
    "format_of",
    "grid",
    "say",
    "show",
    "show_json",
    "table",
]

_FORMAT = Setting("format")
_PIPE_WIDTH = 120
"""Columns where there is no terminal that has a width."""


class Format(StrEnum):
    """What a command can print."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


_ENDINGS = {
    ".csv": "csv",
    ".htm": "html",
    ".html": "html",
    ".json": "json",
    ".jsonl": "jsonl",
    ".md": "markdown",
    ".parquet": "parquet",
    ".tex": "latex",
}
"""What the ending of a file says of its format, in every command."""


@lru_cache
def console(*, stderr: bool = False) -> Console:
    """Rich's console for stdout or stderr."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, width=width)


def say(kind: str, text: str, style: str = "") -> None:
    """A line for the user on stderr: `kind: text`."""
    from rich.text import Text

    line = Text.assemble((f"{kind}:", style), " ", for_terminal(text))
    screen = console(stderr=True)
    screen.print(line, soft_wrap=not screen.is_terminal)


def show(*what: RenderableType) -> None:
    """Print results."""
    screen = console()
    if screen.is_terminal:
        for one in what:
            screen.print(one)
        return
    with screen.capture() as captured:
        for one in what:
            screen.print(one)
    # Rich fills lines up with blanks, which a file has no use for.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    sys.stdout.flush()


def show_json(value: Any) -> None:
    """Print a result for machines."""
    sys.stdout.write(json.dumps(_finite(value), indent=1, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """The same with null for what is no number: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def emit(text: str, output: Path | None = None) -> None:
    """Print text for machines as it is, or write it to a file."""
    if output is None:
        sys.stdout.write(text)
        return
    from tsprompt.base.files import write_whole

    say("Wrote", str(write_whole(output, text)), "green")


def chosen(form: Format | None, output: Path | None) -> Format:
    """The format asked for, or else that of the file's ending, or else a table.

    Raises
    ------
    ConfigError
        A table was asked for in a file, or the file's ending says no format, or another one.
    """
    if output is None:
        return form or Format.TABLE
    return Format(format_of(output, form, [one for one in Format if one is not Format.TABLE]))


def format_of(output: Path, form: str | None, known: Sequence[str]) -> str:
    """The format of a file: the one asked for, or else what its ending says.

    Parameters
    ----------
    known
        The formats that the command can write.

    Raises
    ------
    ConfigError
        A table was asked for, the ending says no format, or it says another than is asked for.
    """
    if form == Format.TABLE:
        raise ConfigError("a table is for the screen; use --format markdown for a file")
    said = _ENDINGS.get(output.suffix.lower())
    if form is None and said not in known:
        endings = ", ".join(ending for ending, one in _ENDINGS.items() if one in known)
        raise ConfigError(
            f"{output}: can't tell a format by the ending {output.suffix!r}; give one of "
            f"{endings}, or --format"
        )
    if form is not None:
        _check_ending(output, [form])
    return str(form or said)


def check_target(file: Path, option: str, *forms: str) -> None:
    """See that a file can be written there, for an option that says by itself of what format.

    Raises
    ------
    TspromptError
        It is a folder, can't be written, or its ending says another format than all of `forms`.
    """
    from tsprompt.base.files import check_file

    check_file(file, Setting(option))
    _check_ending(file, forms or [option], Setting(option))


def _check_ending(file: Path, forms: Sequence[str], setting: Setting = _FORMAT) -> None:
    said = _ENDINGS.get(file.suffix.lower())
    if said is not None and said not in forms:
        endings = " or ".join(ending for ending, one in _ENDINGS.items() if one in forms)
        raise ConfigError(
            f"{file} ends as {said} does, but {forms[0]} is asked for by ",
            setting,
            f"; give a name that ends in {endings}",
        )


def grid(rows: Sequence[tuple[RenderableType, ...]]) -> RenderableType:
    """Lines of `name  value`, or `name  value  explanation`, below each other."""
    from rich.table import Table

    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True, min_width=6)
    lines.add_column(overflow="fold")
    lines.add_column(style="dim")
    for row in rows:
        lines.add_row(*[for_terminal(one) if isinstance(one, str) else one for one in row])
    return lines


def table(*columns: str, title: str | None = None, right: tuple[str, ...] = ()) -> Table:
    """An empty table in the style of all commands; columns in `right` hold numbers."""
    from tsprompt.base.tables import plain_table

    made = plain_table(title)
    place: Literal["bottom", "top"] = "bottom" if "\n" in "".join(columns) else "top"
    for column in columns:
        side: Literal["left", "right"] = "right" if column in right else "left"
        head = for_terminal(column, keep="\n")
        made.add_column(head, justify=side, vertical=place, overflow="fold")
    return made
