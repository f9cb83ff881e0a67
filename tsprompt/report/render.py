"""Tables as text: for machines, and as Markdown."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from tsprompt.errors import ConfigError
from tsprompt.report.contents import Report
from tsprompt.report.numbers import p_value, rank, seconds, share, signed

__all__ = ["FORMATS", "markdown", "render"]

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


def markdown(report: Report) -> str:
    """A whole report as Markdown."""
    parts = ["# Results", *report.heading]
    if len(report.overall):
        parts += [f"## Methods over {len(report.complete)} sets", _overall(report)]
    if report.comparison is not None:
        parts += [
            "## Pairs of methods",
            "Wilcoxon signed-rank tests, Holm-corrected over all pairs; wins, ties and losses are "
            "those of the first.",
            _pairs(report.comparison.pairs),
        ]
        groups = [f"- {' · '.join(group)}" for group in report.comparison.groups]
        if groups:
            parts += ["Not significantly different from each other:", "\n".join(groups)]
    matrix = report.accuracy.map(share).reset_index(names="set")
    parts += ["## Accuracy on each set", _markdown(matrix)]
    if report.failures:
        parts += ["## Failed runs", "\n".join(f"- {one}" for one in report.failures)]
    if report.left_out:
        told = [f"- `{one.file}`: {one.reason}" for one in report.left_out]
        parts += ["## Files left out", "\n".join(told)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


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
        }
    )
    return _markdown(table)


def _against(report: Report, rows: pd.DataFrame) -> dict[str, pd.Series[str]]:
    """How the reference compares with each method, where there is a comparison."""
    if report.comparison is None:
        return {}
    apart = rows["difference"].map(signed) + " ± " + rows["se"].map(share)
    counts = rows[["wins", "ties", "losses"]].map("{:.0f}".format).agg("/".join, axis=1)
    other = rows["method"] != report.reference
    return {
        f"{report.reference} minus it": apart.where(other, ""),
        "wins/ties/losses": counts.where(other, ""),
        "p": rows["p"].map(p_value).where(other, ""),
        "Holm p": rows["p_holm"].map(p_value).where(other, ""),
    }


def _pairs(pairs: pd.DataFrame) -> str:
    table = pairs.assign(
        difference=pairs["difference"].map(signed),
        se=pairs["se"].map(share),
        p=pairs["p"].map(p_value),
        p_holm=pairs["p_holm"].map(p_value),
    )
    return _markdown(table.rename(columns={"a": "first", "b": "second", "p_holm": "Holm p"}))
