"""Matplotlib's figures inside a page: in the page's colours and font, with ids of their own."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

from tsprompt.base.names import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["INK", "KINDS", "MUTED", "drawing", "inline"]

INK, MUTED = "#010101", "#020202"
KINDS = {"model": "#030301", "ablation": "#030302", "baseline": "#030303", "published": "#030304"}
"""The colour of each kind of method. These stand for what the page's style says, light or dark."""

_COLOURS = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    **{colour: f"var(--{kind})" for kind, colour in KINDS.items()},
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tsprompt",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def drawing() -> Iterator[None]:
    """The settings that figures are made with."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        # A name in a script that this font lacks is still drawn by the browser.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def inline(figure: Figure, name: str, title: str) -> Markup:
    """A figure as an `svg` element; to be called while `drawing`.

    Parameters
    ----------
    name
        What its ids begin with: no two figures of a page may have the same.
    title
        What it shows, for those who can't see it.
    """
    from matplotlib.text import Text

    for label in figure.findobj(Text):
        label.set_text(visible(label.get_text(), keep="\n"))
    text = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(text, format="svg", bbox_inches="tight", pad_inches=0.05, metadata=nothing)
    root = ElementTree.fromstring(text.getvalue())
    _drop(root, {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"})
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            element.set(key.replace(f"{{{_XLINK}}}", ""), _adapt(key, value, name))
    width = float(root.attrib.pop("width").removesuffix("pt")) * 96 / 72
    del root.attrib["height"]
    del root.attrib["version"]
    root.attrib.update(
        {
            "class": "figure",
            "role": "img",
            "aria-label": visible(title),
            "style": f"--width: {width:.0f}px",
        }
    )
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _drop(element: ElementTree.Element, tags: set[str]) -> None:
    for child in list(element):
        if child.tag in tags:
            element.remove(child)
        else:
            _drop(child, tags)


def _adapt(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key.endswith("href"):
        return value.replace("#", f"#{name}-")
    if key == "clip-path":
        return value.replace("url(#", f"url(#{name}-")
    if key in ("style", "fill", "stroke"):
        value = re.sub(r"font: (?:\w+ )*([\d.]+)px [^;]*", r"font-size: \1px", value)
        value = re.sub(r"font-family: [^;]*;? ?", "", value)
        value = re.sub("#0[123]0[123]0[1234]", lambda found: _COLOURS[found[0]], value)
    return value
