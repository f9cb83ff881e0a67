"""The same tables for eyes, by Rich."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table

from tsprompt.report.summary import OVERALL

__all__ = ["comparison_tables", "count", "plain_table", "seconds", "share"]


def comparison_tables(summary: pd.DataFrame) -> Iterator[Table]:
    """One table for each set, and one over all sets if there are several."""
    sets = [str(name) for name in summary["dataset"].unique()]
    for name in sets:
        if name == OVERALL and len(sets) == 2:
            continue
        rows = summary[summary["dataset"] == name]
        title = f"Overall, {len(sets) - 1} sets" if name == OVERALL else name
        yield _comparison(title, rows, overall=name == OVERALL)


def _comparison(title: str, rows: pd.DataFrame, *, overall: bool) -> Table:
    table = plain_table(escape(title))
    table.add_column("method", no_wrap=True, vertical="bottom")
    spread = bool(rows["accuracy_sd"].notna().any())
    accuracy = "accuracy ± sd" if spread else "accuracy"
    heads = (accuracy, "macro\nF1", "mean\nrank" if overall else "rank")
    for head in (*heads, "LM\ntokens", "fit\nseconds", "predict\nseconds"):
        table.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    best, kind = rows["accuracy"].max(), None
    for row in rows.to_dict("records"):
        if kind not in (None, row["kind"]):
            table.add_section()
        kind = row["kind"]
        table.add_row(*_cells(row, spread), style="bold" if row["accuracy"] == best else "")
    return table


def _cells(row: dict[Any, Any], spread: bool) -> list[str]:
    if row["failed"]:
        return [escape(str(row["method"])), "[red]failed[/red]", *["–"] * 5]
    accuracy = share(row["accuracy"])
    if spread:
        # Without a sd the digits still stand below each other.
        accuracy += f" ± {share(row['accuracy_sd'])}" if _there(row["accuracy_sd"]) else " " * 8
    return [
        escape(str(row["method"])),
        accuracy,
        share(row["macro_f1"]),
        f"{row['rank']:.1f}",
        count(row["lm_tokens"]),
        seconds(row["fit_seconds"]),
        seconds(row["predict_seconds"]),
    ]


def plain_table(title: str | None = None) -> Table:
    """An empty table with one line, under the head; narrow, so that 80 columns hold it."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )


def share(value: float | None) -> str:
    """0.987, or a dash."""
    return f"{value:.3f}" if _there(value) else "–"


def seconds(value: float | None) -> str:
    """1.2, or a dash."""
    return f"{value:.1f}" if _there(value) else "–"


def count(value: float | None) -> str:
    """1,234 up to 99,999; then 1.23 M, so that columns stay narrow; a dash if there is none."""
    if value is None or not _there(value):
        return "–"
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:,.0f}"


def _there(value: float | None) -> bool:
    return value is not None and not math.isnan(value)
