"""Predictions as a table on the screen, or whole as text or a file for machines."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from tsprompt_cli.output import say, show, table

__all__ = ["HOLD_LISTS", "PredictionsForm", "chosen_form", "print_predictions"]

_SHOWN = 20
"""Cases in a table on the screen."""


class PredictionsForm(StrEnum):
    """What predictions can be printed as."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    MARKDOWN = "markdown"


HOLD_LISTS = (PredictionsForm.JSON, PredictionsForm.JSONL, PredictionsForm.PARQUET)
"""Formats in which a cell can hold several names."""
_UNLIKE = "unlike train"


def chosen_form(form: PredictionsForm | None, output: Path | None) -> PredictionsForm:
    """The format asked for, or that of the file's ending; on a terminal a table, in a pipe CSV.

    Raises
    ------
    ConfigError
        The ending says no format, or another one; or the format can't go where it is to go.
    """
    from tsprompt.errors import ConfigError
    from tsprompt_cli.output import console, format_of

    if output is None:
        if form is PredictionsForm.PARQUET:
            raise ConfigError("a Parquet file can't be printed; use --output FILE.parquet")
        return form or (PredictionsForm.TABLE if console().is_terminal else PredictionsForm.CSV)
    known = [one for one in PredictionsForm if one is not PredictionsForm.TABLE]
    return PredictionsForm(format_of(output, form, known))


def print_predictions(
    columns: dict[str, Any], form: PredictionsForm, output: Path | None, **more: Any
) -> None:
    """Show the predictions, given as name and column, or write all of them."""
    if form is PredictionsForm.TABLE:
        rows = _rows(columns)
        show(_table([*columns], rows[:_SHOWN]))
        if len(rows) > _SHOWN:
            said = f"{_SHOWN} of {len(rows)} cases are shown; --output FILE.csv writes them all"
            say("Note", said)
        return
    if output is None:
        from tsprompt_cli.output import emit

        emit(str(_content(columns, form, more)))
        return
    from tsprompt.base.files import write_whole

    say("Wrote", str(write_whole(output, _content(columns, form, more))), "green")


def _content(columns: dict[str, Any], form: PredictionsForm, more: dict[str, Any]) -> str | bytes:
    from tsprompt.base.rows import as_dicts, render_rows

    if form is PredictionsForm.PARQUET:
        import pandas as pd

        return bytes(pd.DataFrame(columns).to_parquet(index=False))
    rows = _rows(columns)
    if form is PredictionsForm.JSONL:
        return "".join(json.dumps(row) + "\n" for row in as_dicts([*columns], rows))
    more = more if form is PredictionsForm.JSON else {}
    return render_rows([*columns], rows, form.value, **more)


def _rows(columns: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The same by cases, of Python's own types."""
    return list(zip(*map(_values, columns.values()), strict=True))


def _values(column: Any) -> list[Any]:
    if not hasattr(column, "dtype"):
        return list(column)
    days = column.dtype.kind == "M"
    return list((column.astype(str) if days else column).tolist())


def _table(names: list[str], rows: list[tuple[Any, ...]]) -> Any:
    from tsprompt.base.names import for_terminal

    chances = [name for name in names if name.startswith("p(")]
    # The size of a set is to be seen; and the mark is a word, which needs no head.
    shown = [name for name in names if name != "set size"]
    heads = ["" if name == _UNLIKE else name for name in shown]
    made = table(*heads, right=("case", *chances))
    for row in rows:
        held = dict(zip(names, row, strict=True))
        largest = max(held[name] for name in chances)
        cells: list[Any] = []
        for name in shown:
            value = held[name]
            if name == _UNLIKE:
                cells.append(f"[yellow]{_UNLIKE}[/yellow]" if value else "")
            elif name in chances:
                said = f"{value:.3f}"
                cells.append(said if value == largest else f"[dim]{said}[/dim]")
            else:
                cells.append(for_terminal(value, "bold" if name == "label" else ""))
        made.add_row(*cells)
    return made
