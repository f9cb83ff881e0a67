"""A learning curve, and an advice, as pages that open from disk."""

from __future__ import annotations

from importlib.resources import files

from tsprompt.advice.advise import Advice
from tsprompt.advice.curve import Curve
from tsprompt.advice.page.figures import curve_figure, level_figure
from tsprompt.advice.words import advice_words, curve_words
from tsprompt.page import render

__all__ = ["advice_page", "curve_page"]


def curve_page(curve: Curve) -> str:
    """A learning curve as HTML."""
    sizes = sorted({one.size for one in curve.points})
    points = {(one.method, one.size): one.accuracy for one in curve.points}
    return render(
        files(__name__),
        "curve.html",
        style="advice.css",
        curve=curve,
        words=curve_words(curve),
        figure=curve_figure(curve) if curve.points else None,
        rows=[(size, [points.get((method, size)) for method in curve.methods]) for size in sizes],
    )


def advice_page(advice: Advice, command: str) -> str:
    """An advice as HTML.

    Parameters
    ----------
    command
        What fits a model on this set, such as `tsprompt fit GunPoint`; the flags of what was
        chosen are put behind it.
    """
    flags = "" if advice.chosen is None else advice.strategy(advice.chosen).flags()
    return render(
        files(__name__),
        "advice.html",
        style="advice.css",
        advice=advice,
        words=advice_words(advice),
        command=f"{command} {flags}".strip(),
        levels=[
            (level, level_figure(level, f"level{number}"))
            for number, level in enumerate(advice.levels)
        ],
    )
