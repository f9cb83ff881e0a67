"""An explanation in the terminal: the series as blocks, coloured and marked by its shares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tsprompt_cli.output import console

if TYPE_CHECKING:
    from rich.text import Text

    from tsprompt.explanations import Explanation, Overall

__all__ = ["drawn", "drawn_overall"]

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
    if len(one.grid.names) == 1 and len(one.feature_names) > 1:
        yield from _together(one, width)
    else:
        for group, label in enumerate(one.grid.names):
            if len(one.grid.names) > 1:
                yield Text(f"{visible(label)}  {one.cells[:, group].sum():+.2f}", "dim")
            yield from _lines(one, one.grid.groups[group][0], group, width)
    yield Text(f"+ for, - against; {one.method}, relative to {one.reference}", "dim")
    for near in one.nearest:
        yield Text(
            f"near: train case {near.number + 1}, {visible(near.label)}, {near.distance:.3f}"
        )


def _together(one: Explanation, width: int) -> Iterator[Text]:
    """A line for each feature with its own share; the marks of times are of all together, as the
    tokens are."""
    import numpy as np
    from rich.text import Text

    from tsprompt.base.names import visible

    parts = np.array_split(np.arange(one.values.shape[1]), len(one.feature_names))
    marks = Text()
    for part, label, share in zip(parts, one.feature_names, one.by_feature, strict=True):
        yield Text(f"{visible(label)}  {share:+.2f} by {one.features_by}", "dim")
        blocks, marks = _lines(one, int(part[0]), 0, width)
        yield blocks
    yield Text("all features", "dim")
    yield marks


def _lines(one: Explanation, feature: int, group: int, width: int) -> tuple[Text, Text]:
    """Blocks of a feature, and marks of a group's shares under them."""
    import numpy as np
    from rich.text import Text

    values = one.values[:, feature]
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
    return blocks, marks


def drawn_overall(one: Overall) -> Iterator[Any]:
    """The lines of one class: a bar for each part of the series, and for each feature."""
    import numpy as np
    from rich.text import Text

    from tsprompt.base.names import visible

    count = f"{one.cases:,} case" + ("" if one.cases == 1 else "s")
    yield Text.assemble((visible(one.predicted), "bold"), f": {count} taken for it")
    edges = np.linspace(0, 1, len(one.by_stretch) + 1)
    times = [f"{100 * a:3.0f} to {100 * b:3.0f} %" for a, b in pairwise(edges)]
    yield from _bars("part of the series", times, one.by_stretch, one.size_by_stretch)
    if len(one.feature_names) > 1:
        names = [visible(name) for name in one.feature_names]
        yield from _bars("feature", names, one.by_feature, one.size_by_feature)
    yield Text("mean share, + for the class, - against it; bars: mean size of shares", "dim")


def _bars(what: str, names: list[str], shares: Any, sizes: Any) -> Iterator[Text]:
    from rich.text import Text

    longest, widest = float(max(sizes)) or 1.0, max(map(len, [what, *names]))
    yield Text(what, "dim")
    for name, share, size in zip(names, shares, sizes, strict=True):
        bar = "█" * round(24 * float(size) / longest)
        style = "green" if share > 0 else "red"
        yield Text.assemble(f"{name:<{widest}} ", (f"{share:+7.3f} ", style), (bar, style))
