"""A template for eyes: each kind of slot in a colour of its own, long ones abbreviated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from tsprompt.base.names import for_terminal

if TYPE_CHECKING:
    from rich.text import Text

    from tsprompt.model.description import Slot

__all__ = ["abbreviate", "legend", "template_text"]

_STYLES = {
    "prompt": "bold green",
    "data": "cyan",
    "mask": "bold magenta",
    "answer": "bold magenta",
    "context": "bold yellow",
}
_RUN = 5
"""Data slots in a row that are still written out."""
_FIRST, _LAST = 16, 7
"""Slots that are shown of a long template."""


def legend(slots: Sequence[Slot]) -> Text:
    """What the colours mean that these slots are shown in."""
    from rich.text import Text

    kinds = {slot.kind for slot in slots}
    parts = [Text(name, _STYLES.get(kind, "dim")) for kind, name in _LEGEND if kind in kinds]
    text = Text("colours: ", "dim").append_text(Text(" · ", "dim").join(parts))
    if any(slot.kind == "prompt" and slot.text.startswith("~") for slot in slots):
        text.append("; ~word is the nearest word to a vector", "dim")
    return text


_LEGEND = (
    ("prompt", "prompt"),
    ("data", "data"),
    ("context", "context"),
    ("mask", "mask"),
    ("answer", "where the answer is read"),
    ("frame", "frame"),
)


def template_text(slots: Sequence[Slot], *, full: bool = False) -> Text:
    """The slots, one after the other."""
    from rich.text import Text

    shown = [(slot.kind, slot.text) for slot in slots] if full else list(abbreviate(slots))
    return Text(" ").join(for_terminal(text, _STYLES.get(kind, "dim")) for kind, text in shown)


def abbreviate(slots: Sequence[Slot]) -> Iterator[tuple[str, str]]:
    """(kind, text) of what is shown: runs of data as `x1 … x50`, long templates without their
    middle."""
    runs = [(kind, [slot.text for slot in run]) for kind, run in groupby(slots, _kind)]
    shown = [
        (kind, text)
        for kind, texts in runs
        for text in ([texts[0], "…", texts[-1]] if kind == "data" and len(texts) > _RUN else texts)
    ]
    if len(shown) <= _FIRST + _LAST + 1:
        yield from shown
        return
    yield from shown[:_FIRST]
    yield "more", f"… {len(shown) - _FIRST - _LAST} more …"
    yield from shown[-_LAST:]


def _kind(slot: Slot) -> str:
    return slot.kind
