"""The form of the images that a model of images reads."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """The images that a model reads."""

    height: int
    """Pixels."""
    width: int
    """Pixels."""
    patches: int
    """S, the patches that it is cut into."""
    colours: int
    """Values of a pixel."""
    mean: tuple[float, ...]
    """For each colour, of the images of the pretraining; colours lie in [0, 1]."""
    spread: tuple[float, ...]
    """Standard deviations, likewise."""
