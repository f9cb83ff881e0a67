"""Rows as text for machines and for Markdown, for whoever has no use of pandas otherwise."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

from tsprompt.base.names import for_csv, for_markdown
from tsprompt.errors import ConfigError

__all__ = ["FORMATS", "as_dicts", "as_markdown", "render_rows"]

FORMATS = ("json", "csv", "markdown")

Row = Sequence[Any]


def render_rows(names: Sequence[object], rows: Sequence[Row], form: str, **more: Any) -> str:
    """Rows under the names of their columns as `json`, `csv` or `markdown`.

    Parameters
    ----------
    more
        What the JSON holds beside the `rows`; the other formats have no place for it.

    Raises
    ------
    ConfigError
        There is no such format.
    """
    if form == "json":
        return json.dumps({"rows": as_dicts(names, rows), **more}, indent=1) + "\n"
    if form == "csv":
        return _csv(names, rows)
    if form == "markdown":
        numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(names))]
        return as_markdown(names, rows, numeric)
    raise ConfigError(f"format {form!r} is not one of: {', '.join(FORMATS)}")


def as_dicts(names: Sequence[object], rows: Iterable[Row]) -> list[dict[Any, Any]]:
    """The rows as JSON has them: null for what is no number, and none of NumPy's types."""
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def as_markdown(names: Sequence[object], rows: Iterable[Row], numeric: Sequence[bool]) -> str:
    """A table whose columns of numbers stand to the right."""
    lines = [
        [for_markdown(name) for name in names],
        ["---:" if one else "---" for one in numeric],
        *[[_cell(value) for value in row] for row in rows],
    ]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _csv(names: Sequence[object], rows: Iterable[Row]) -> str:
    """As a spreadsheet may read it, cells and heads; empty where there is no number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([for_csv(str(name)) for name in names])
    for row in rows:
        cells = map(_plain, row)
        writer.writerow([for_csv(one) if isinstance(one, str) else one for one in cells])
    return out.getvalue()


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "dtype") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_number(value: Any) -> bool:
    return isinstance(_plain(value), Real) or _plain(value) is None


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else for_markdown(value)
