"""Colours that have a word of their own, as they are drawn."""

from __future__ import annotations

__all__ = ["COLOURS"]

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 0.5, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
    "orange": (1.0, 0.65, 0.0),
    "purple": (0.5, 0.0, 0.5),
    "brown": (0.65, 0.16, 0.16),
    "pink": (1.0, 0.75, 0.8),
    "black": (0.0, 0.0, 0.0),
    "white": (1.0, 1.0, 1.0),
    "gray": (0.5, 0.5, 0.5),
    "gold": (1.0, 0.84, 0.0),
}
"""Word -> red, green and blue in [0, 1], as CSS has them; the first ones are told apart best."""
