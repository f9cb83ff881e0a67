"""Tables as text: for machines, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from tsprompt.base.names import for_csv, for_markdown
from tsprompt.base.numbers import (
    chances,
    count,
    file_bytes,
    p_value,
    rank,
    seconds,
    share,
    signed,
    span,
)
from tsprompt.base.rows import FORMATS, as_dicts, as_markdown, render_rows
from tsprompt.report.ablations import ABOUT, Ablations, by_part, survivors
from tsprompt.report.contents import Report

__all__ = ["FORMATS", "json_rows", "markdown", "render"]


def render(table: pd.DataFrame, form: str, **more: Any) -> str:
    """A table as `json`, `csv` or `markdown`.

    Parameters
    ----------
    more
        What the JSON holds beside the `rows`; the other formats have no place for it.
    """
    if form == "csv":
        return _safe(table).to_csv(index=False, lineterminator="\n")
    if form == "markdown":
        return _markdown(table)
    return render_rows([*table.columns], [*_rows(table)], form, **more)


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON has them: null for what is no number."""
    return as_dicts([*table.columns], _rows(table))


def _rows(table: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    return table.itertuples(index=False, name=None)


def _safe(table: pd.DataFrame) -> pd.DataFrame:
    """The same for a spreadsheet, cells and heads."""
    safe = table.map(lambda value: for_csv(value) if isinstance(value, str) else value)
    safe.columns = pd.Index([for_csv(str(name)) for name in table.columns])
    return safe


def _markdown(table: pd.DataFrame) -> str:
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    rows = [[None if pd.isna(value) else value for value in row] for row in _rows(table)]
    return as_markdown([*table.columns], rows, numeric)


def markdown(report: Report) -> str:
    """A whole report as Markdown."""
    parts = ["# Results", *map(for_markdown, report.heading)]
    if len(report.overall):
        parts += [f"## Methods over {len(report.complete)} sets", _overall(report)]
    parts += _compared(report)
    parts += _ablations(report.ablations)
    matrix = report.accuracy.map(share)
    matrix.insert(0, "set", matrix.index, allow_duplicates=True)  # a method may be called so too
    parts += ["## Accuracy on each set", _markdown(matrix)]
    if report.failures:
        parts += ["## Failed runs", "\n".join(f"- {for_markdown(one)}" for one in report.failures)]
    if report.left_out:
        told = [f"- {for_markdown(f'{one.file}: {one.reason}')}" for one in report.left_out]
        parts += ["## Files left out", "\n".join(told)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _compared(report: Report) -> list[str]:
    """Pairs and groups, where there is a comparison."""
    comparison = report.comparison
    if comparison is None:
        return []
    parts = [
        "## Pairs of methods",
        "Wilcoxon signed-rank tests, Holm-corrected over all pairs; wins, ties and losses are "
        "those of the first.",
        *([for_markdown(report.unlisted)] if report.unlisted else []),
        _pairs(report.listed_pairs),
    ]
    if comparison.unshown is not None:
        return [*parts, for_markdown(comparison.unshown)]
    groups = [f"- {for_markdown(' · '.join(group))}" for group in comparison.groups]
    if groups:
        parts += ["Not significantly different from each other:", "\n".join(groups)]
    return parts


def _ablations(found: Sequence[Ablations]) -> list[str]:
    """What each part of each model adds; of several models also each part, model by model."""
    parts: list[str] = []
    if len(found) > 1:
        for part, rows in by_part(found):
            parts += [
                f"## What each method owes to: {for_markdown(part)}",
                _added(rows, {"method": rows["model"]}),
            ]
        parts.append(for_markdown(survivors(found)))
    for one in found:
        parts += [
            f"## What each part of {for_markdown(one.model)} adds",
            _added(one.table, {"part": one.table["part"]}),
        ]
    return [*parts, for_markdown(ABOUT)] if parts else []


def _added(rows: pd.DataFrame, first: dict[str, pd.Series[str]]) -> str:
    apart = rows["mean"].map(signed) + " ± " + rows["se"].map(share)
    told = {
        **first,
        "compared with": rows["ablation"],
        "sets": rows["sets"],
        "adds": apart,
        "95 % interval": [*map(span, rows["low"], rows["high"])],
        "wins/ties/losses": _outcomes(rows),
        "Holm p": rows["p_holm"].map(p_value),
        "sets to see it": rows["needed"].map(count),
    }
    return _markdown(pd.DataFrame(told))


def _outcomes(rows: pd.DataFrame) -> pd.Series[str]:
    """Wins, ties and losses in one text."""
    return rows[["wins", "ties", "losses"]].map("{:.0f}".format).agg("/".join, axis=1)


def _overall(report: Report) -> str:
    rows = report.overall
    table = pd.DataFrame(
        {
            "method": rows["method"],
            "kind": rows["kind"],
            "accuracy": rows["accuracy"].map(share),
            "sd": rows["accuracy_sd"].map(share),
            "mean rank": rows["rank"].map(rank),
            **_against(report, rows),
            "fit seconds": rows["fit_seconds"].map(seconds),
            "predict seconds": rows["predict_seconds"].map(seconds),
            "LM tokens": rows["lm_tokens"].map(count),
            "numbers trained": rows["trainable_parameters"].map(count),
            "on disk": rows["model_bytes"].map(file_bytes),
        }
    )
    return _markdown(table)


def _against(report: Report, rows: pd.DataFrame) -> dict[str, pd.Series[str]]:
    """How the reference compares with each method, where there is a comparison."""
    if report.comparison is None:
        return {}
    apart = rows["difference"].map(signed) + " ± " + rows["se"].map(share)
    practical = [*map(chances, rows["p_better"], rows["p_level"], rows["p_worse"])]
    other = rows["method"] != report.reference
    return {
        f"{report.reference} minus it": apart.where(other, ""),
        "wins/ties/losses": _outcomes(rows).where(other, ""),
        "p": rows["p"].map(p_value).where(other, ""),
        "Holm p": rows["p_holm"].map(p_value).where(other, ""),
        f"better/level/worse by {report.rope:g}, %": pd.Series(practical, rows.index).where(
            other, ""
        ),
    }


def _pairs(pairs: pd.DataFrame) -> str:
    table = pairs.assign(
        difference=pairs["difference"].map(signed),
        se=pairs["se"].map(share),
        p=pairs["p"].map(p_value),
        p_holm=pairs["p_holm"].map(p_value),
    )
    return _markdown(table.rename(columns={"a": "first", "b": "second", "p_holm": "Holm p"}))
