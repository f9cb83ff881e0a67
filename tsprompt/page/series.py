"""A series as a picture inside a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from tsprompt.page.svg import INK, KINDS, MUTED, drawing, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DRAWN", "series_svg"]

DRAWN = 6
"""Features that are drawn of a series."""
DASHED, DOTTED = (0, (3, 2)), (0, (1, 1.5))
"""How what stands beside a series is drawn."""
_LONGEST = 40
_FOR, _AGAINST = KINDS["model"], KINDS["ablation"]

Values = npt.NDArray[np.floating[Any]]


def series_svg(
    values: Values,
    name: str,
    title: str,
    *,
    shares: Values | None = None,
    beside: Sequence[Values] = (),
    features: Sequence[str] | None = None,
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
        Up to two other series (T',), drawn behind it: the first dashed, the second dotted. For one
        feature only.
    features
        (F,) their names: each feature then has a row of its own that says it.
    """
    from matplotlib.figure import Figure

    drawn = values[:, :DRAWN]
    count = drawn.shape[1]
    with drawing():
        if shares is not None:
            figure = Figure(figsize=(3.1, 0.4 + 1.3 * count))
            _rows_with_shares(figure, drawn, shares[:, :DRAWN], features)
        elif features is not None and count > 1:
            figure = Figure(figsize=(3.1, 0.4 + 0.75 * count))
            _rows(figure, drawn, features)
        else:
            figure = Figure(figsize=(3.1, 1.5))
            _lines(figure.add_subplot(), drawn, beside)
        return inline(figure, name, title)


def _lines(axes: Axes, values: Values, beside: Sequence[Values]) -> None:
    for other, dashes in zip(beside, (DASHED, DOTTED), strict=False):
        axes.plot(other, color=MUTED, linewidth=1, linestyle=dashes)
    colours = list(KINDS.values())
    for feature in range(values.shape[1]):
        axes.plot(values[:, feature], color=colours[feature % len(colours)], linewidth=1.2)
    _ticks(axes)


def _rows(figure: Figure, values: Values, features: Sequence[str]) -> None:
    """A row for each feature, each on a scale of its own."""
    space = {"hspace": 0.7}
    rows = figure.subplots(values.shape[1], sharex=True, squeeze=False, gridspec_kw=space)[:, 0]
    for feature, axes in enumerate(rows):
        axes.plot(values[:, feature], color=KINDS["model"], linewidth=1.2)
        _ticks(axes, 3)
        _call(axes, features[feature])


def _rows_with_shares(
    figure: Figure, values: Values, shares: Values, features: Sequence[str] | None
) -> None:
    """For each feature its line, and under it a bar for each timestep."""
    count = values.shape[1]
    rows = figure.subplots(
        2 * count,
        sharex=True,
        squeeze=False,
        height_ratios=[2, 1] * count,
        gridspec_kw={"hspace": 0.7} if features is not None and count > 1 else None,
    )
    limit = 1.05 * float(np.nanmax(np.abs(shares), initial=0.0)) or 1.0
    times = np.arange(len(values))
    for feature in range(count):
        line, bars = rows[2 * feature, 0], rows[2 * feature + 1, 0]
        line.plot(values[:, feature], color=INK, linewidth=1.2)
        own = shares[:, feature]
        bars.bar(times, own, width=1.0, color=np.where(own >= 0, _FOR, _AGAINST), linewidth=0)
        bars.axhline(0, color=MUTED, linewidth=0.6)
        bars.set_ylim(-limit, limit)
        bars.set_yticks([])
        _ticks(line)
        bars.tick_params(labelsize=9)
        if features is not None and count > 1:
            _call(line, features[feature])


def _call(axes: Axes, feature: str) -> None:
    """Write a feature's name above its line; the page holds it whole."""
    shown = feature if len(feature) <= _LONGEST else f"{feature[: _LONGEST - 1]}…"
    axes.set_title(shown, fontsize=9, loc="left", pad=2)


def _ticks(axes: Axes, most: int = 4) -> None:
    axes.tick_params(labelsize=9)
    axes.locator_params(nbins=most)
    axes.margins(x=0.01)
