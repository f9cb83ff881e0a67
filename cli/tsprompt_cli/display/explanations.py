"""An explanation in the terminal: the series as blocks, coloured and marked by its shares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tsprompt_cli.output import console

if TYPE_CHECKING:
    from rich.text import Text

    from tsprompt.explanations import Explanation

__all__ = ["drawn"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDEST = 72
_FAINT = 0.15
"""Shares below this part of the largest have no mark."""


def drawn(one: Explanation) -> Iterator[Any]:
    """The lines of one case."""
    from rich.text import Text

    from tsprompt.base.names import visible

    name = f"case {one.number + 1}" + (f" ({visible(one.id)})" if one.id is not None else "")
    said = (
        f"{visible(one.predicted)} {one.probability:.3f}, "
        f"not {visible(one.runner_up)} {one.runner_up_probability:.3f}"
    )
    yield Text.assemble((name, "bold"), f": {said}; score {one.score:+.2f} from {one.base:+.2f}")
    width = max(8, min(_WIDEST, console().width - 2, len(one.values)))
    for group, label in enumerate(one.grid.names):
        if len(one.grid.names) > 1:
            yield Text(f"{visible(label)}  {one.cells[:, group].sum():+.2f}", "dim")
        yield from _lines(one, group, width)
    yield Text(f"+ for, - against; {one.method}, relative to {one.reference}", "dim")
    for near in one.nearest:
        yield Text(
            f"near: train case {near.number + 1}, {visible(near.label)}, {near.distance:.3f}"
        )


def _lines(one: Explanation, group: int, width: int) -> Iterator[Text]:
    """Blocks of the group's first feature, and marks under them."""
    import numpy as np
    from rich.text import Text

    values = one.values[:, one.grid.groups[group][0]]
    edges = np.linspace(0, len(values), width + 1).round().astype(int)
    known = np.nan_to_num(values)
    means = np.array([known[a : max(b, a + 1)].mean() for a, b in pairwise(edges)])
    spread = (means.max() - means.min()) or 1.0
    heights = ((means - means.min()) / spread * 7).round().astype(int)
    shares, largest = one.cells[:, group], float(np.abs(one.cells).max()) or 1.0
    at = np.searchsorted(one.grid.stretches[:, 1], edges[:-1], side="right")
    blocks, marks = Text(), Text()
    for column in range(width):
        part = shares[min(int(at[column]), len(shares) - 1)] / largest
        style = "" if abs(part) < _FAINT else "green" if part > 0 else "red"
        sign = " " if not style else "+" if part > 0 else "-"
        blocks.append(_BLOCKS[heights[column]], style)
        marks.append(sign, style)
    yield blocks
    yield marks
