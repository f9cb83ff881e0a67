"""A series as a picture inside a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from tsprompt.page.svg import INK, KINDS, MUTED, drawing, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DRAWN", "series_svg"]

DRAWN = 6
"""Features that are drawn of a series."""
_FOR, _AGAINST = KINDS["model"], KINDS["ablation"]

Values = npt.NDArray[np.floating[Any]]


def series_svg(
    values: Values,
    name: str,
    title: str,
    *,
    shares: Values | None = None,
    beside: Values | None = None,
) -> Markup:
    """A series (T, F), of which the first `DRAWN` features are drawn.

    Parameters
    ----------
    name
        What the ids of the picture begin with: no two pictures of a page may have the same.
    title
        What it shows, for those who can't see it.
    shares
        (T, F): how much each value moved a decision. Each feature then has a row of its own and
        bars under its line: up is for the decision, down against it, all rows on one scale.
    beside
        (T',) another series that is drawn dashed behind it, for one feature only.
    """
    from matplotlib.figure import Figure

    drawn = values[:, :DRAWN]
    with drawing():
        if shares is not None:
            figure = Figure(figsize=(3.1, 0.4 + 1.3 * drawn.shape[1]))
            _rows(figure, drawn, shares[:, :DRAWN])
        else:
            figure = Figure(figsize=(3.1, 1.5))
            _lines(figure.add_subplot(), drawn, beside)
        return inline(figure, name, title)


def _lines(axes: Axes, values: Values, beside: Values | None) -> None:
    if beside is not None:
        axes.plot(beside, color=MUTED, linewidth=1, linestyle=(0, (3, 2)))
    colours = list(KINDS.values())
    for feature in range(values.shape[1]):
        axes.plot(values[:, feature], color=colours[feature % len(colours)], linewidth=1.2)
    _ticks(axes)


def _rows(figure: Any, values: Values, shares: Values) -> None:
    """For each feature its line, and under it a bar for each timestep."""
    rows = figure.subplots(
        2 * values.shape[1], sharex=True, squeeze=False, height_ratios=[2, 1] * values.shape[1]
    )[:, 0]
    limit = 1.05 * float(np.nanmax(np.abs(shares), initial=0.0)) or 1.0
    times = np.arange(len(values))
    for feature in range(values.shape[1]):
        line, bars = rows[2 * feature], rows[2 * feature + 1]
        line.plot(values[:, feature], color=INK, linewidth=1.2)
        own = shares[:, feature]
        bars.bar(times, own, width=1.0, color=np.where(own >= 0, _FOR, _AGAINST), linewidth=0)
        bars.axhline(0, color=MUTED, linewidth=0.6)
        bars.set_ylim(-limit, limit)
        bars.set_yticks([])
        _ticks(line)
        bars.tick_params(labelsize=9)


def _ticks(axes: Axes) -> None:
    axes.tick_params(labelsize=9)
    axes.locator_params(nbins=4)
    axes.margins(x=0.01)
