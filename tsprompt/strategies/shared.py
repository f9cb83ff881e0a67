"""`shared`: one prompt, before and after the whole step sequence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from tsprompt.backbones.template import Prompt, Template
from tsprompt.strategies.base import Strategy, strategies

__all__ = ["Shared", "around"]


@strategies.register("shared")
@dataclass
class Shared(Strategy):
    """``[CLS] p1 .. pk x1 x2 .. xS pk+1 .. pP [MASK] [SEP]``: the prompt says where it is split and
    where in it the mask stands."""

    default_length: ClassVar[int] = 16

    def template(self, steps: int, width: int, slots: int, prompt: Prompt) -> Template:
        """One prompt around all steps."""
        return around(steps, width, slots, *prompt.place)


@lru_cache(maxsize=1024)
def around(steps: int, width: int, slots: int, before: int, mask: int) -> Template:
    """P slots with the mask among them, split around S steps of W tokens."""
    frame = np.insert(np.arange(slots), mask, -2)
    order = np.insert(frame, np.full(steps * width, before), -1)
    return Template.from_order(order, width)
