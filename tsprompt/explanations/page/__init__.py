"""Explanations as one page that opens from disk: no network, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from markupsafe import Markup

from tsprompt.errors import counted
from tsprompt.explanations.explanation import Explanation
from tsprompt.explanations.grid import even_edges
from tsprompt.explanations.overall import Overall
from tsprompt.page import render
from tsprompt.page.series import DRAWN, series_svg

__all__ = ["MOST", "page"]

MOST = 20
"""Cases that are drawn at the most."""


@dataclass(frozen=True)
class _Shown:
    """One case with its pictures."""

    one: Explanation
    pictures: list[tuple[str, Markup]]
    """What each shows, and the picture."""
    near: list[tuple[str, Markup]]
    strongest: list[tuple[str, float]]
    """The stretches, or stretches of features, with the largest shares."""


def page(
    explanations: Sequence[Explanation],
    classes: Sequence[Overall] = (),
    *,
    name: str,
    about: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> str:
    """Explanations as HTML.

    Parameters
    ----------
    explanations
        The first `MOST` of them are drawn.
    classes
        Mean shares by class, if they are to be shown.
    name
        What was explained, for the heading.
    about
        Which model and which data, as pairs of name and value.
    notes
        What a reader must know first.
    """
    shown = list(explanations)[:MOST]
    return render(
        files(__name__),
        "page.html",
        name=name,
        about=about,
        notes=notes,
        cases=[_shown(one) for one in shown],
        count=len(explanations),
        classes=[(one, _class_picture(one, number)) for number, one in enumerate(classes)],
        left_out=max(0, (shown[0].values.shape[1] if shown else 0) - DRAWN),
        drawn=DRAWN,
    )


def _shown(one: Explanation) -> _Shown:
    number, names = one.number + 1, _names(one)
    return _Shown(
        one=one,
        pictures=_pictures(one, names),
        near=[
            (
                f"train case {near.number + 1}, class {near.label}, distance {near.distance:.3f}",
                series_svg(
                    near.values,
                    f"case{number}near{rank}",
                    f"Train case {near.number + 1} of class {near.label}",
                    features=names,
                ),
            )
            for rank, near in enumerate(one.nearest)
        ],
        strongest=_strongest(one),
    )


def _pictures(one: Explanation, names: list[str]) -> list[tuple[str, Markup]]:
    """What each shows, and the picture: shares stand under the line that they belong to."""
    number = one.number + 1
    said = f"Case {number}: {counted(len(one.values), 'timestep')}, taken for {one.predicted}"
    under = f"under it the shares: up for {one.predicted}, down against it"
    if len(one.grid.names) > 1 or len(names) == 1:
        picture = series_svg(
            one.values,
            f"case{number}",
            f"{said}; the share of each value under its line",
            shares=one.by_value(),
            features=names if len(names) > 1 else None,
        )
        return [(f"The series, and {under}", picture)]
    # Tokens hold all features: there are shares of time alone.
    first = series_svg(
        one.values[:, :1],
        f"case{number}",
        f"{said}; under its first feature the shares of all features together",
        shares=one.by_timestep()[:, None],
    )
    every = series_svg(one.values, f"case{number}all", said, features=names)
    return [
        (f"Feature {names[0]}, and {under}, of all features together", first),
        ("All features of the series", every),
    ]


def _names(one: Explanation) -> list[str]:
    """(F,) names of the features: those of groups by number."""
    count = one.values.shape[1]
    own = one.feature_names
    return list(own) if len(own) == count else [f"feature {i + 1}" for i in range(count)]


def _strongest(one: Explanation, most: int = 5) -> list[tuple[str, float]]:
    order = np.argsort(-np.abs(one.cells), axis=None, kind="stable")[:most]
    rows = []
    for place in order.tolist():
        stretch, group = divmod(place, one.cells.shape[1])
        start, stop = one.grid.stretches[stretch]
        said = f"timesteps {start + 1} to {stop}"
        if one.cells.shape[1] > 1:
            said += f", {one.grid.names[group]}"
        rows.append((said, float(one.cells[stretch, group])))
    return rows


def _class_picture(one: Overall, number: int) -> Markup | None:
    """The mean series with the mean shares under it; nothing where lengths differ."""
    if one.mean_series is None:
        return None
    timesteps, features = one.mean_series.shape
    edges = even_edges(timesteps, len(one.by_stretch))[1:-1]
    parts = np.split(np.arange(timesteps), edges)
    shares = np.zeros((timesteps, 1))
    for part, share in zip(parts, one.by_stretch, strict=True):
        shares[part, 0] = share / len(part)
    return series_svg(
        one.mean_series[:, :1] if features > 1 else one.mean_series,
        f"class{number}",
        f"Mean of {counted(one.cases, 'case')} taken for {one.predicted}, and their mean shares",
        shares=shares,
    )
