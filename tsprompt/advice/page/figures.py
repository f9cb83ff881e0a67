"""The pictures of a learning curve and of the strategies at a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from tsprompt.advice.advise import Judged, Level
from tsprompt.advice.curve import Curve, Point
from tsprompt.base.numbers import share
from tsprompt.page.svg import INK, KINDS, MUTED, drawing, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curve_figure", "level_figure"]

_MARKS = ("o", "s", "^", "D", "v", "P")
_LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), "-.")
_TICKS = 7
"""Numbers of cases that are written under the axis at the most."""


def curve_figure(curve: Curve) -> Markup:
    """Accuracy by the number of cases on a logarithmic scale, with intervals; what a power law
    says of twice the cases is hollow."""
    from matplotlib.figure import Figure

    methods = list(curve.methods)
    with drawing():
        figure = Figure(figsize=(4.4, 3.6 + 0.2 * len(methods)))
        axes = figure.add_subplot()
        axes.set_xscale("log")
        for number, method in enumerate(methods):
            _line(axes, curve, method, number, len(methods))
        _sizes(axes, curve)
        axes.set_xlabel("train cases")
        axes.set_ylabel("accuracy on test")
        axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
        axes.legend(
            loc="upper left", bbox_to_anchor=(-0.02, -0.17), frameon=False, handlelength=3.2
        )
        told = "; ".join(
            f"{method}: "
            + ", ".join(f"{share(one.accuracy.value)} at {one.size}" for one in curve.of(method))
            for method in methods
        )
        return inline(figure, "curve", f"Accuracy by the number of train cases. {told}.")


def _line(axes: Axes, curve: Curve, method: str, number: int, methods: int) -> None:
    points = curve.of(method)
    colour, mark = KINDS[curve.methods[method]], _MARKS[number % len(_MARKS)]
    # Side by side, so that intervals of equal means can be told apart.
    aside = 1.05 ** (number - (methods - 1) / 2)
    sizes = [aside * one.size for one in points]
    values = np.array([one.accuracy.value for one in points])
    axes.errorbar(
        sizes,
        values,
        yerr=_arms(points),
        color=colour,
        marker=mark,
        markersize=5,
        linestyle=_LINES[number % len(_LINES)],
        elinewidth=1,
        capsize=2.5,
        label=method,
    )
    more = next((one.more for one in curve.endings if one.method == method), None)
    if more is not None:
        low = more.accuracy if more.low is None else more.low
        high = more.accuracy if more.high is None else more.high
        joined = [sizes[-1], aside * more.size], [values[-1], more.accuracy]
        axes.plot(*joined, color=colour, linewidth=0.8, linestyle=(0, (1, 3)))
        axes.errorbar(
            [aside * more.size],
            [more.accuracy],
            yerr=[[max(more.accuracy - low, 0)], [max(high - more.accuracy, 0)]],
            color=colour,
            marker=mark,
            markersize=5,
            markerfacecolor="none",
            linestyle="none",
            elinewidth=1,
            capsize=2.5,
        )


def _arms(points: list[Point]) -> np.ndarray:
    """(2, S) how far intervals reach down and up."""
    arms = [
        (
            0.0 if one.accuracy.low is None else one.accuracy.value - one.accuracy.low,
            0.0 if one.accuracy.high is None else one.accuracy.high - one.accuracy.value,
        )
        for one in points
    ]
    return np.array(arms).T


def _sizes(axes: Axes, curve: Curve) -> None:
    """The numbers of cases themselves as ticks."""
    from matplotlib.ticker import NullFormatter, NullLocator

    sizes = sorted({one.size for one in curve.points})
    sizes += [one.more.size for one in curve.endings if one.more is not None][:1]
    every = -(-len(sizes) // _TICKS)
    shown = sizes[::-1][::every]
    axes.set_xticks(shown, [f"{one:,}" for one in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def level_figure(level: Level, name: str) -> Markup:
    """The accuracy of each strategy with its interval, the cheapest on top."""
    from matplotlib.figure import Figure

    rows = level.rows[::-1]
    with drawing():
        figure = Figure(figsize=(4.4, 0.9 + 0.34 * len(rows)))
        axes = figure.add_subplot()
        for y, row in enumerate(rows):
            _dot(axes, y, row, chosen=row.strategy == level.chosen)
        axes.set_yticks(range(len(rows)), [_called(level, row) for row in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("accuracy on what was held out of train")
        axes.grid(axis="x", color=MUTED, alpha=0.25, linewidth=0.6)
        told = ", ".join(f"{row.strategy} {share(row.accuracy.value)}" for row in level.rows)
        return inline(figure, name, f"Accuracy with {level.called}: {told}.")


def _dot(axes: Axes, y: int, row: Judged, *, chosen: bool) -> None:
    mean = row.accuracy
    colour = KINDS["model"] if chosen else INK
    if mean.low is not None and mean.high is not None:
        axes.plot([mean.low, mean.high], [y, y], color=colour, linewidth=2 if chosen else 1)
    axes.plot([mean.value], [y], marker="o", markersize=7 if chosen else 4.5, color=colour)


def _called(level: Level, row: Judged) -> str:
    return f"→ {row.strategy}" if row.strategy == level.chosen else row.strategy
