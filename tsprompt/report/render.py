"""Tables as text for machines."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from tsprompt.errors import ConfigError

__all__ = ["FORMATS", "render"]

FORMATS = ("json", "csv", "markdown")


def render(table: pd.DataFrame, form: str, **more: Any) -> str:
    """A table as `json`, `csv` or `markdown`.

    Parameters
    ----------
    more
        What the JSON holds beside the `rows`; the other formats have no place for it.
    """
    if form == "json":
        rows = json.loads(table.to_json(orient="records", double_precision=15))
        return json.dumps({"rows": rows, **more}, indent=1) + "\n"
    if form == "csv":
        return table.to_csv(index=False, lineterminator="\n")
    if form == "markdown":
        return _markdown(table)
    raise ConfigError(f"format {form!r} is not one of: {', '.join(FORMATS)}")


def _markdown(table: pd.DataFrame) -> str:
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    rows = [
        [str(name) for name in table.columns],
        ["---:" if one else "---" for one in numeric],
        *[[_cell(value) for value in row] for row in table.itertuples(index=False)],
    ]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _cell(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
