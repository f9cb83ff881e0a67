"""Draw what goes in and what comes out: ``make picture`` writes docs/picture-{light,dark}.svg.

Nothing in it is invented: the two series are test cases of GunPoint, the words are the prompt that
a fit drew, and the bars are what the fitted model says of the two.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tsprompt import PromptClassifier
from tsprompt.model.layout import Slot, slots
from tsprompt_datasets import load_dataset

mpl.rcParams |= {"svg.hashsalt": "tsprompt", "font.size": 10, "font.family": "DejaVu Sans"}


@dataclass(frozen=True)
class Look:
    """The colours of a picture; its ground stays transparent."""

    ink: str
    faint: str
    prompt: str
    data: str
    mask: str
    classes: tuple[str, str]


LOOKS = {
    "light": Look("#24292f", "#8c959f", "#ddd0f5", "#cde8dc", "#ffd8a8", ("#00796b", "#c2410c")),
    "dark": Look("#e6edf3", "#768390", "#4b3b70", "#1f5141", "#7a4a12", ("#4db6ac", "#ff9f6b")),
}


@dataclass(frozen=True)
class Seen:
    """What the picture shows."""

    series: list[Any]
    """A case (T,) of each class."""
    template: list[Slot]
    chances: Any
    """(2, 2): a row for each series, a column for each class."""
    classes: list[str]


def fit() -> Seen:
    """Fit GunPoint, and let the model read a test case of each class."""
    data = load_dataset("GunPoint")
    model = PromptClassifier(strategy="per-step", random_state=0)
    model.fit(data.train.cases, data.train.labels)
    classes = [str(one) for one in model.classes_]
    firsts = [data.test.labels.tolist().index(one) for one in classes]
    cases = data.test.cases.take(firsts)
    template = slots(model.fitted_, model.fitted_.readings[0])
    return Seen([one[:, 0] for one in cases], template, model.predict_proba(cases), classes)


def draw(seen: Seen, look: Look) -> Figure:
    """The picture: series, prompt and language model, chances, from left to right."""
    figure = Figure(figsize=(10, 3))
    figure.patch.set_alpha(0)
    for row, values in enumerate(seen.series):
        bottom = 0.53 - 0.4 * row
        draw_series(figure.add_axes((0.005, bottom, 0.2, 0.32)), values, look, row)
        draw_chances(figure.add_axes((0.845, bottom + 0.03, 0.15, 0.26)), seen, look, row)
    middle = figure.add_axes((0, 0, 1, 1))
    middle.set(xlim=(0, 10), ylim=(0, 3))
    middle.axis("off")
    draw_middle(middle, seen.template, look)
    for x, text in ((1.05, "series"), (4.95, "prompt and series, as tokens"), (9.15, "classes")):
        middle.text(x, 2.78, text, ha="center", weight="bold", color=look.ink)
    return figure


def draw_series(axes: Axes, values: Any, look: Look, row: int) -> None:
    """One series as a line."""
    axes.plot(values, color=look.classes[row], linewidth=1.8)
    axes.margins(x=0.02, y=0.1)
    axes.axis("off")


def draw_chances(axes: Axes, seen: Seen, look: Look, row: int) -> None:
    """The chances of a series as bars."""
    axes.patch.set_alpha(0)
    bars = axes.barh([1, 0], seen.chances[row], height=0.62, color=look.classes)
    texts = [f"{chance:.2f}" for chance in seen.chances[row]]
    axes.bar_label(bars, texts, padding=4, color=look.ink)
    axes.set(xlim=(0, 1.35), ylim=(-0.5, 1.5), xticks=[], yticks=[1, 0])
    axes.set_yticklabels(seen.classes)
    axes.tick_params(axis="y", length=0, colors=look.ink)
    axes.spines[:].set_visible(False)


def draw_middle(axes: Axes, template: list[Slot], look: Look) -> None:
    """The template's first and last tokens, and under them the model that reads them."""
    chips(axes, template[:7], 2.3, look, dots="after")
    chips(axes, template[-5:], 1.75, look, dots="before")
    box(axes, (2.75, 0.55), (2.95, 0.6), look, "frozen language model")
    box(axes, (6.25, 0.55), (0.95, 0.6), look, "head")
    for start, end in (
        ((2.05, 1.95), (2.4, 1.95)),
        ((4.2, 1.5), (4.2, 1.22)),
        ((5.75, 0.85), (6.2, 0.85)),
        ((7.25, 0.85), (7.95, 1.45)),
    ):
        arrow = {"arrowstyle": "-|>", "color": look.faint, "linewidth": 1.5}
        axes.annotate("", end, start, arrowprops=arrow)
    axes.text(4.22, 0.25, "never trained", ha="center", color=look.faint, size=9)
    axes.text(6.72, 0.25, "fitted", ha="center", color=look.faint, size=9)


def chips(axes: Axes, tokens: list[Slot], y: float, look: Look, dots: str) -> None:
    """A row of tokens, coloured by what they are, centred in the middle of the picture."""
    fills = {"prompt": look.prompt, "data": look.data, "mask": look.mask}
    texts = [(one.text, fills.get(one.kind, "none")) for one in tokens]
    texts = [*texts, ("…", "none")] if dots == "after" else [("…", "none"), *texts]
    widths = [0.22 + 0.082 * len(text) for text, _ in texts]
    x = 4.95 - (sum(widths) + 0.08 * (len(texts) - 1)) / 2
    for (text, fill), width in zip(texts, widths, strict=True):
        if text != "…":
            edge = look.faint if fill == "none" else fill
            shape = FancyBboxPatch(
                (x, y - 0.17), width, 0.34, "round,pad=0,rounding_size=0.07", fc=fill, ec=edge
            )
            axes.add_patch(shape)
        axes.text(x + width / 2, y, text, ha="center", va="center_baseline", color=look.ink, size=9)
        x += width + 0.08


def box(
    axes: Axes, corner: tuple[float, float], size: tuple[float, float], look: Look, text: str
) -> None:
    """A box with a text in it."""
    shape = FancyBboxPatch(
        corner, *size, "round,pad=0,rounding_size=0.08", fc="none", ec=look.ink, linewidth=1.5
    )
    axes.add_patch(shape)
    axes.text(
        corner[0] + size[0] / 2,
        corner[1] + size[1] / 2,
        text,
        ha="center",
        va="center_baseline",
        color=look.ink,
    )


if __name__ == "__main__":
    found = fit()
    for name, colours in LOOKS.items():
        file = Path(sys.argv[1]) / f"picture-{name}.svg"
        draw(found, colours).savefig(file, metadata={"Date": None})
