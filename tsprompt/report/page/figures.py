"""The figures over all sets: critical differences, accuracy against time, what ablations cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tsprompt.base.numbers import rank, share
from tsprompt.page.svg import INK, KINDS, MUTED, drawing, inline
from tsprompt.report.ablations import Ablations
from tsprompt.report.statistics import ALPHA, Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ablation_bars", "accuracy_against_time", "critical_differences"]


def critical_differences(comparison: Comparison, kinds: dict[str, str]) -> Markup:
    """Mean ranks on a line; bars join methods that are not significantly different."""
    from matplotlib.figure import Figure
    from scikit_posthocs import critical_difference_diagram

    ranks = comparison.ranks
    rows = (len(ranks) + 1) // 2 + len(comparison.groups)
    with drawing():
        figure = Figure(figsize=(6.6, 0.7 + 0.26 * rows))
        axes = figure.add_subplot()
        critical_difference_diagram(
            ranks,
            comparison.p_holm,
            alpha=ALPHA,
            ax=axes,
            label_fmt_left="{label}  {rank:.2f}\N{NO-BREAK SPACE}",
            label_fmt_right="\N{NO-BREAK SPACE}{rank:.2f}  {label}",
            color_palette={method: KINDS[kinds[method]] for method in ranks.index},
            # A method may lie under a bar without being one of its group: dots tell them apart.
            crossbar_props={"color": INK, "linewidth": 2, "marker": "o", "markersize": 4.5},
            elbow_props={"linewidth": 1},
            marker_props={"s": 14},
            text_h_margin=0.02 * (ranks.max() - ranks.min() + 0.5),
        )
        told = ", ".join(f"{method} {rank(value)}" for method, value in ranks.items())
        return inline(figure, "cd", f"Critical-difference diagram. Mean ranks: {told}.")


def accuracy_against_time(rows: pd.DataFrame) -> Markup | None:
    """A dot for each method: seconds of fit and prediction on a logarithmic scale, mean accuracy.

    Parameters
    ----------
    rows
        As the overall rows of a summary; those without times (published ones) are left out.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator

    timed = rows.assign(seconds=rows["fit_seconds"] + rows["predict_seconds"])
    timed = timed[timed["seconds"].gt(0) & timed["accuracy"].notna()]
    timed = timed.sort_values(["accuracy", "method"], ignore_index=True)
    if timed.empty:
        return None
    dots: list[dict[Any, Any]] = timed.to_dict("records")
    with drawing():
        figure = Figure(figsize=(3.6, max(3.2, 0.5 + 0.22 * len(dots))))
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_xlabel("seconds to fit and predict, mean over sets")
        axes.set_ylabel("mean accuracy")
        axes.grid(color=MUTED, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        colours = [KINDS[dot["kind"]] for dot in dots]
        axes.scatter(timed["seconds"], timed["accuracy"], s=36, color=colours, zorder=3)
        narrow = timed["seconds"].max() < 30 * timed["seconds"].min()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=9))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(LogLocator(numticks=2))
        axes.margins(0.08)
        _label(axes, dots)
        told = ", ".join(
            f"{dot['method']} {share(dot['accuracy'])} in {dot['seconds']:.2g} s" for dot in dots
        )
        return inline(figure, "time", f"Accuracy against time: {told}.")


def _label(axes: Axes, dots: list[dict[Any, Any]]) -> None:
    """Names in a column beside the dots, in the order of their accuracy: none covers another."""
    low, high = axes.get_ylim()
    wanted = np.array([(dot["accuracy"] - low) / (high - low) for dot in dots])
    places = _spread(wanted, 1 / max(14, len(dots)))
    for dot, place in zip(dots, places.tolist(), strict=True):
        axes.annotate(
            dot["method"],
            (dot["seconds"], dot["accuracy"]),
            xytext=(1.05, place),
            textcoords="axes fraction",
            va="center",
            color=KINDS[dot["kind"]],
            arrowprops={
                "arrowstyle": "-",
                "color": MUTED,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 3,
            },
        )


def _spread(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Places in rising order, at least `gap` apart, near the wanted ones."""
    places = wanted.copy()
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    places[-1] = min(places[-1], 1.0)
    for i in range(len(places) - 2, -1, -1):
        places[i] = min(places[i], places[i + 1] - gap)
    return places


def ablation_bars(ablations: Ablations, name: str) -> Markup:
    """What each part adds: the mean over sets, its 95 % interval, and a dot for each set."""
    from matplotlib.figure import Figure

    rows: list[dict[Any, Any]] = ablations.table.to_dict("records")
    with drawing():
        figure = Figure(figsize=(3.6, 0.8 + 0.5 * len(rows)))
        axes = figure.add_subplot()
        axes.axvline(0, color=INK, linewidth=0.8)
        for y, row in enumerate(reversed(rows)):
            axes.barh(y, 100 * row["mean"], height=0.5, color=KINDS["model"], alpha=0.45)
            dots = 100 * ablations.differences[row["ablation"]].to_numpy()
            jitter = 0.18 * np.sin(7.0 * np.arange(len(dots)))
            axes.scatter(dots, y + jitter, s=9, color=MUTED, alpha=0.8, zorder=3, linewidths=0)
            if np.isfinite(row["low"]):
                ends = [100 * row["low"], 100 * row["high"]]
                axes.plot(ends, [y, y], color=INK, linewidth=1.6, zorder=4)
        axes.set_yticks(range(len(rows)), [row["part"] for row in reversed(rows)])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("accuracy added, in percentage points")
        axes.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.6)
        told = ", ".join(f"{row['part']} {100 * row['mean']:+.2f}" for row in rows)
        return inline(figure, name, f"Accuracy added, in percentage points: {told}.")
