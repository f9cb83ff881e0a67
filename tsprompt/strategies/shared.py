"""`shared`: one prompt, before and after the whole step sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsprompt.backbones.template import Prompt, Template
from tsprompt.strategies.base import Strategy, strategies

__all__ = ["Shared"]


@strategies.register("shared")
@dataclass
class Shared(Strategy):
    """``[CLS] p1 .. pk x1 x2 .. xS pk+1 .. pP [MASK] [SEP]``: the prompt says where it is split and
    where in it the mask stands."""

    default_length: ClassVar[int] = 16

    def template(self, steps: int, width: int, slots: int, prompt: Prompt) -> Template:
        """One prompt around all steps."""
        frame = np.insert(np.arange(slots), prompt.mask, -2)
        order = np.insert(frame, np.full(steps * width, prompt.before), -1)
        return Template.from_order(order, width)
