"""The same tables for eyes, by Rich."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tsprompt.base.names import for_terminal
from tsprompt.base.numbers import (
    count,
    file_bytes,
    p_value,
    percent,
    rank,
    seconds,
    share,
    signed,
    span,
)
from tsprompt.base.tables import plain_table
from tsprompt.report.ablations import ABOUT, Ablations, by_part, survivors
from tsprompt.report.contents import Report
from tsprompt.report.equivalence import OUTCOMES
from tsprompt.report.statistics import ALPHA, Comparison
from tsprompt.report.summary import OVERALL

__all__ = ["ablation_tables", "comparison_tables", "cost_table", "report_tables"]

_MODELS = 2
"""Up to so many models have a table each of what their parts add; of more, each part has one."""
_ALL_PAIRS = 15
"""Up to so many pairs of methods are shown; of more, only those with the reference."""


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
    table = plain_table(title)
    table.add_column("method", overflow="fold", vertical="bottom")
    spread = bool(rows["accuracy_sd"].notna().any())
    accuracy = "accuracy ± sd" if spread else "accuracy"
    heads = (accuracy, "macro\nF1", "mean\nrank" if overall else "rank")
    interval = bool(rows["accuracy_low"].notna().any())
    heads = (heads[0], *(("95 %\ninterval",) if interval else ()), *heads[1:])
    for head in (*heads, "LM\ntokens", "fit\nseconds", "predict\nseconds"):
        table.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    best, kind = rows["accuracy"].max(), None
    for row in rows.to_dict("records"):
        if kind not in (None, row["kind"]):
            table.add_section()
        kind = row["kind"]
        table.add_row(
            *_cells(row, spread, interval), style="bold" if row["accuracy"] == best else ""
        )
    return table


def _cells(row: dict[Any, Any], spread: bool, interval: bool) -> list[RenderableType]:
    if row["failed"]:
        return [for_terminal(row["method"]), "[red]failed[/red]", *["–"] * (5 + interval)]
    return [
        for_terminal(row["method"]),
        _accuracy(row, spread),
        *([_interval(row)] if interval else []),
        share(row["macro_f1"]),
        rank(row["rank"]),
        count(row["lm_tokens"]),
        seconds(row["fit_seconds"]),
        seconds(row["predict_seconds"]),
    ]


def _interval(row: dict[Any, Any]) -> str:
    low, high = share(row["accuracy_low"]), share(row["accuracy_high"])
    return low if low == high == share(None) else f"{low}–{high}"


def _accuracy(row: dict[Any, Any], spread: bool) -> str:
    if not spread:
        return share(row["accuracy"])
    # Without a sd the digits still stand below each other.
    sd = row["accuracy_sd"]
    return share(row["accuracy"]) + (" " * 8 if math.isnan(sd) else f" ± {share(sd)}")


def report_tables(report: Report, console: Console) -> Iterator[RenderableType]:
    """A report for a console: the heading, methods over all sets, pairs, groups, and each set."""
    yield from (for_terminal(sentence) for sentence in report.heading)
    if len(report.overall):
        yield ""
        yield _leaderboard(report)
    if report.comparison is not None:
        if 1 < len(report.comparison.pairs) <= _ALL_PAIRS:
            yield ""
            yield _pairs(report.comparison.pairs)
        yield ""
        yield from _groups(report.comparison)
        yield ""
        title = f"Chances that {report.reference} is better, or worse, by more than {report.rope:g}"
        yield for_terminal(title, "bold")
        yield _practical(report)
    yield ""
    if len(report.overall):
        yield cost_table(report.overall)
        yield ""
    yield from ablation_tables(report.ablations)
    matrix = _matrix(report.accuracy)
    endless = console.options.update(max_width=10_000)
    if Measurement.get(console, endless, matrix).maximum <= console.width:
        yield matrix
        return
    for table in comparison_tables(report.summary[report.summary["dataset"] != OVERALL]):
        yield table
        yield ""


def _leaderboard(report: Report) -> Table:
    rows = report.overall
    compared = report.comparison is not None
    title = f"Methods over {len(report.complete)} sets, the best mean rank first"
    made = plain_table(title if len(report.complete) > 1 else report.complete[0])
    made.add_column("method", overflow="fold", vertical="bottom")
    spread = bool(rows["accuracy_sd"].notna().any())
    heads = ["accuracy ± sd" if spread else "accuracy", "mean\nrank"]
    tested = compared and report.comparison is not None and report.comparison.unshown is None
    heads += ["wins/ties/\nlosses"] if compared else []
    heads += ["Holm\np"] if tested else []
    for head in (*heads, "fit\nseconds", "predict\nseconds"):
        made.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for row in rows.to_dict("records"):
        accuracy = _accuracy(row, spread)
        cells: list[RenderableType] = [for_terminal(row["method"]), accuracy, rank(row["rank"])]
        if compared:
            cells += [_outcome(row, report.reference)]
            cells += [p_value(row["p_holm"])] if tested else []
        cells += [seconds(row["fit_seconds"]), seconds(row["predict_seconds"])]
        made.add_row(*cells, style="bold" if row["method"] == report.reference else "")
    if compared:
        p = "; p of Wilcoxon signed-rank tests with it, Holm-corrected over all pairs" * tested
        made.caption = for_terminal(f"Wins, ties and losses of {report.reference}{p}.")
        made.caption_justify = "left"
    return made


def _practical(report: Report) -> Table:
    """How likely it is that the reference is better or worse by so much that it matters."""
    made = plain_table()
    made.add_column("method", overflow="fold")
    for head in ("better", "level", "worse"):
        made.add_column(head, justify="right", no_wrap=True)
    for row in report.overall.to_dict("records"):
        if row["method"] != report.reference:
            chances = (percent(row[outcome]) for outcome in OUTCOMES)
            made.add_row(for_terminal(row["method"]), *chances)
    made.caption, made.caption_justify = f"Bayesian signed-rank test over {report.unit}.", "left"
    return made


def _outcome(row: dict[Any, Any], reference: str | None) -> str:
    if row["method"] == reference:
        return ""
    return f"{row['wins']:.0f}/{row['ties']:.0f}/{row['losses']:.0f}"


def _pairs(pairs: pd.DataFrame) -> Table:
    made = plain_table("Pairs of methods")
    for head in ("a", "b"):
        made.add_column(head, overflow="fold", vertical="bottom")
    for head in (
        "difference\n± standard error",
        "wins/ties/\nlosses of a",
        "Wilcoxon\np",
        "Holm\np",
    ):
        made.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for pair in pairs.to_dict("records"):
        made.add_row(
            for_terminal(pair["a"]),
            for_terminal(pair["b"]),
            f"{signed(pair['difference'])} ± {share(pair['se'])}",
            _outcome({**pair, "method": None}, ""),
            p_value(pair["p"]),
            p_value(pair["p_holm"]),
            style="bold" if pair["p_holm"] < ALPHA else "",
        )
    return made


def _groups(comparison: Comparison) -> Iterator[RenderableType]:
    if comparison.unshown is not None:
        yield for_terminal(comparison.unshown)
        return
    if not comparison.groups:
        yield f"All methods differ significantly from each other (Holm, α = {ALPHA})."
        return
    yield f"Not significantly different from each other (Holm, α = {ALPHA}):"
    yield from (for_terminal(f"  {' · '.join(group)}") for group in comparison.groups)


def cost_table(rows: pd.DataFrame) -> Table:
    """What a run of each method takes; `rows` of a summary, one for each method."""
    made = plain_table("What a run takes")
    made.add_column("method", overflow="fold", vertical="bottom")
    for head in (
        "fit\nseconds",
        "predict\nseconds",
        "LM\ntokens",
        "numbers\ntrained",
        "on\ndisk",
    ):
        made.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for row in rows.to_dict("records"):
        made.add_row(
            for_terminal(row["method"]),
            seconds(row["fit_seconds"]),
            seconds(row["predict_seconds"]),
            count(row["lm_tokens"]),
            count(row["trainable_parameters"]),
            file_bytes(row["model_bytes"]),
        )
    return made


def ablation_tables(found: Sequence[Ablations]) -> Iterator[RenderableType]:
    """What each part adds: a table for each model that has ablations; of many models, for each
    part."""
    if len(found) <= _MODELS:
        tables = [
            (f"What each part of {one.model} adds", "part", one.table, "needed") for one in found
        ]
    else:
        tables = [
            (f"What each method owes to: {part}", "model", rows, "p_holm")
            for part, rows in by_part(found)
        ]
    for title, names, rows, last in tables:
        made = plain_table(title)
        made.add_column(names.replace("model", "method"), overflow="fold", vertical="bottom")
        heads = (
            "sets",
            "accuracy added\n± standard error",
            "95 %\ninterval",
            "wins/ties/\nlosses",
            "Holm\np" if last == "p_holm" else "sets to\nsee it",
        )
        for head in heads:
            made.add_column(head, justify="right", no_wrap=True, vertical="bottom")
        for row in rows.to_dict("records"):
            shown = last == "p_holm" and row["p_holm"] < ALPHA
            made.add_row(
                for_terminal(row[names]),
                str(row["sets"]),
                f"{signed(row['mean'])} ± {share(row['se'])}",
                span(row["low"], row["high"]),
                _outcome({**row, "method": None}, ""),
                p_value(row["p_holm"]) if last == "p_holm" else count(row["needed"]),
                style="bold" if shown else "",
            )
        yield made
        yield ""
    if tables:
        yield for_terminal(ABOUT, "dim")
        yield ""
    if len(found) > _MODELS:
        yield for_terminal(survivors(found))
        yield ""


def _matrix(accuracy: pd.DataFrame) -> Table:
    """A row for each set, a column for each method."""
    made = plain_table("Accuracy on each set")
    made.add_column("set", no_wrap=True, vertical="bottom")
    for method in accuracy.columns:
        head = Text("\n").join(for_terminal(word) for word in str(method).split(" "))
        made.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for name, row in accuracy.iterrows():
        best = row.max()
        cells = [f"[bold]{share(value)}[/bold]" if value == best else share(value) for value in row]
        made.add_row(for_terminal(name), *cells)
    return made
