"""Columns of a table: their names, and what their first rows seem to hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tsprompt.base.names import visible
from tsprompt.errors import DatasetError, Piece, Setting, near_names

__all__ = [
    "MISSING",
    "Column",
    "Kind",
    "Place",
    "either",
    "features_of",
    "find_column",
    "is_missing",
    "is_number",
    "kind_of",
    "listed",
    "numbered",
    "quoted",
    "shown",
]

Kind = Literal["number", "text", "time", "list", "empty"]

MISSING = (
    "",
    "?",
    "NA",
    "N/A",
    "#N/A",
    "<NA>",
    "NaN",
    "nan",
    "NAN",
    "-nan",
    "null",
    "NULL",
    "None",
)
"""What text files write where a number is missing."""

_NUMBER = re.compile(
    r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?)\s*", re.ASCII | re.IGNORECASE
)
_TIME = re.compile(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\s*\d{1,2}:\d{2}(:\d{2}.*)?")
_STEP = re.compile(r"(?P<stem>.*?)(?P<sign>[\s_.\-:/]*)(?P<step>\d+)")
_SHOWN = 12


@dataclass(frozen=True)
class Column:
    """A column, by its first rows."""

    name: str
    kind: Kind
    sample: tuple[str, ...] = ()
    """The first values, as text."""


def _numbered(row: int) -> str:
    return f"row {row + 1}"


@dataclass(frozen=True)
class Place:
    """A table in messages: it tells what is wrong in which row."""

    name: str
    """The file's name."""
    locate: Callable[[int], str] = _numbered
    """What a row, counted from 0, is called: `line 7` or `row 6`."""

    def error(self, *text: Piece, row: int | None = None) -> DatasetError:
        """The error that says what is wrong, and where; the text also says what to do."""
        where = "" if row is None else f", {self.locate(row)}"
        return DatasetError(f"{self.name}{where}: ", *text)


def is_missing(text: str) -> bool:
    """Whether this stands for no value."""
    return text.strip() in MISSING


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether a reader of numbers takes this text."""
    return bool(_NUMBER.fullmatch(text.replace(decimal, ".") if decimal != "." else text))


def kind_of(sample: Iterable[str], decimal: str = ".") -> Kind:
    """What a column holds by most of its first values; single others are mistakes to be named."""
    held = [one for one in sample if not is_missing(one)]
    if not held:
        return "empty"
    numbers = sum(is_number(one, decimal) for one in held)
    if 2 * numbers >= len(held):
        return "number"
    times = sum(bool(_TIME.fullmatch(one)) for one in held)
    return "time" if 2 * times > len(held) else "text"


def shown(text: object, width: int = 40) -> str:
    """A value of a file in a message: short, with control characters made visible."""
    said = visible(text)
    return repr(said if len(said) <= width else said[: width - 3] + "...")


def quoted(name: object) -> str:
    """A column's name in a message."""
    return f"`{shown(name)[1:-1]}`"


def listed(names: Sequence[str], most: int = _SHOWN) -> str:
    """Names of columns in a message."""
    said = ", ".join(quoted(name) for name in names[:most])
    return said + (f" and {len(names) - most} more" if len(names) > most else "")


def either(setting: str, values: Sequence[object], sign: str = " or ") -> list[Piece]:
    """`label="a" or label="b"`, for a message that shows what there is to choose from."""
    found: list[Piece] = []
    for value in values:
        found += [sign, Setting(setting, value)] if found else [Setting(setting, value)]
    return found


def find_column(place: Place, columns: Sequence[Column], name: str, by: Piece) -> Column:
    """The column of this name, as it is spelt or with other capitals and spaces.

    Raises
    ------
    DatasetError
        There is none; the message has the near names.
    """
    for fold in (str, str.strip, lambda text: text.strip().casefold()):
        found = [one for one in columns if fold(one.name) == fold(name)]
        if len(found) == 1:
            return found[0]
    names = [one.name for one in columns]
    said = near_names(name, names)
    raise place.error(f"no column is called {shown(name)} (", by, f"); {said}")


def features_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Feature -> its columns in order of time.

    Columns such as `ax_0, ax_1, ay_0, ay_1` are two features; if some column is not of this kind,
    or features have not the same steps, all columns are one feature, as they stand.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        parts = _STEP.fullmatch(name)
        if parts is None:
            return {"value": list(names)}
        found.setdefault(parts["stem"], []).append((int(parts["step"]), name))
    if len(found) == 1:
        stem = next(iter(found))
        return {stem if _says_something(stem) else "value": list(names)}
    steps = [sorted(step for step, _ in own) for own in found.values()]
    if any(own != steps[0] for own in steps) or len(steps[0]) < 2 or "" in found:
        return {"value": list(names)}
    return {stem: [name for _, name in sorted(own)] for stem, own in found.items()}


def _says_something(stem: str) -> bool:
    """Whether what stands before a timestep's number names a feature, not the step itself."""
    return stem.casefold() not in ("", "t", "x", "v", "c", "f", "col", "column", "time", "step")


def numbered(names: Sequence[str]) -> bool:
    """Whether columns are called after timesteps alone: `t0, t1, t2`, or `0, 1, 2`."""
    parts = [_STEP.fullmatch(name) for name in names]
    return len(names) > 2 and None not in parts and len({one and one["stem"] for one in parts}) == 1
