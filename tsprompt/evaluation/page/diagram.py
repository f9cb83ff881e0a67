"""The reliability diagram: how sure the answers are, and how often they are right."""

from __future__ import annotations

import math

from markupsafe import Markup

from tsprompt.base.numbers import share
from tsprompt.evaluation.calibration import Calibration
from tsprompt.page.svg import INK, KINDS, MUTED, drawing, inline

__all__ = ["reliability_diagram"]


def reliability_diagram(calibration: Calibration) -> Markup:
    """A dot for each bin, with the 95 % interval of its accuracy; exact probabilities lie on the
    diagonal."""
    from matplotlib.figure import Figure

    bins = calibration.bins
    low = min(min(one.least, one.interval[0]) for one in bins)
    low = math.floor(10 * low) / 10
    with drawing():
        figure = Figure(figsize=(3.6, 3.4))
        axes = figure.add_subplot()
        axes.plot([low, 1], [low, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for one in bins:
            ends = [one.confidence, one.confidence], list(one.interval)
            axes.plot(*ends, color=KINDS["model"], linewidth=1.4)
        dots = [one.confidence for one in bins], [one.accuracy for one in bins]
        axes.scatter(*dots, s=34, color=KINDS["model"], edgecolors=INK, linewidths=0.8, zorder=3)
        margin = 0.03 * (1 - low)
        axes.set(xlim=(low - margin, 1 + margin), ylim=(low - margin, 1 + margin))
        axes.set_aspect("equal")
        axes.locator_params(nbins=6)
        axes.grid(color=MUTED, alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("mean probability of the answers")
        axes.set_ylabel("share of them that is right")
        told = ", ".join(f"{share(one.accuracy)} at {share(one.confidence)}" for one in bins)
        title = f"Reliability diagram. Share that is right at each probability: {told}."
        return inline(figure, "reliability", title)
