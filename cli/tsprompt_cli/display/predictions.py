"""Predictions as a table on the screen, or whole as text or a file for machines."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tsprompt_cli.output import say, show, table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PredictionsForm", "chosen_form", "print_predictions"]

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


_ENDINGS = {
    ".csv": PredictionsForm.CSV,
    ".json": PredictionsForm.JSON,
    ".jsonl": PredictionsForm.JSONL,
    ".parquet": PredictionsForm.PARQUET,
    ".md": PredictionsForm.MARKDOWN,
}


def chosen_form(form: PredictionsForm | None, output: Path | None) -> PredictionsForm:
    """The format asked for, or that of the file's ending; on a terminal a table, in a pipe CSV.

    Raises
    ------
    ConfigError
        The ending is none of those known, or the format can't go where it is to go.
    """
    from tsprompt.errors import ConfigError
    from tsprompt_cli.output import console

    if output is None:
        if form is PredictionsForm.PARQUET:
            raise ConfigError("a Parquet file can't be printed; use --output FILE.parquet")
        return form or (PredictionsForm.TABLE if console().is_terminal else PredictionsForm.CSV)
    if form is None and output.suffix.lower() not in _ENDINGS:
        raise ConfigError(
            f"{output}: can't tell a format by the ending {output.suffix!r}; give one of "
            f"{', '.join(_ENDINGS)}, or --format"
        )
    form = form or _ENDINGS[output.suffix.lower()]
    if form is PredictionsForm.TABLE:
        raise ConfigError("a table is for the screen; use --format markdown for a file")
    return form


def print_predictions(
    rows: pd.DataFrame, form: PredictionsForm, output: Path | None, **more: Any
) -> None:
    """Show the predictions, or write all of them."""
    if form is PredictionsForm.TABLE:
        show(_table(rows.head(_SHOWN)))
        if len(rows) > _SHOWN:
            said = f"{_SHOWN} of {len(rows)} cases are shown; --output FILE.csv writes them all"
            say("Note", said)
        return
    if output is None:
        from tsprompt_cli.output import emit

        emit(str(_content(rows, form, more)))
        return
    from tsprompt.base.files import write_whole

    say("Wrote", str(write_whole(output, _content(rows, form, more))), "green")


def _content(rows: pd.DataFrame, form: PredictionsForm, more: dict[str, Any]) -> str | bytes:
    from tsprompt.report import render

    if form is PredictionsForm.PARQUET:
        return bytes(rows.to_parquet(index=False))
    for name in ("id", "label", "true label"):
        if name in rows and rows[name].dtype.kind == "M":
            rows[name] = rows[name].astype(str)
    if form is PredictionsForm.JSONL:
        held = json.loads(rows.to_json(orient="records", double_precision=15))
        return "".join(json.dumps(row) + "\n" for row in held)
    return render(rows, form.value, **(more if form is PredictionsForm.JSON else {}))


def _table(rows: pd.DataFrame) -> Any:
    from tsprompt.base.names import for_terminal

    heads = [str(name) for name in rows.columns]
    chances = [name for name in rows.columns if str(name).startswith("p(")]
    made = table(*heads, right=("case", *map(str, chances)))
    for _, row in rows.iterrows():
        largest = max(row[name] for name in chances)
        cells: list[Any] = []
        for name in rows.columns:
            if name in chances:
                said = f"{row[name]:.3f}"
                cells.append(said if row[name] == largest else f"[dim]{said}[/dim]")
            else:
                cells.append(for_terminal(row[name], "bold" if name == "label" else ""))
        made.add_row(*cells)
    return made
