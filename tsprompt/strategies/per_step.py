"""`per-step`: every step has a prompt of its own, before its tokens or around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsprompt.backbones.template import Prompt, Template
from tsprompt.strategies.base import Strategy, strategies
from tsprompt.strategies.shared import around

__all__ = ["PerStep"]


@strategies.register("per-step")
@dataclass
class PerStep(Strategy):
    """``[CLS] p1 x1 p2 x2 .. pS xS [MASK] [SEP]``. A shorter series uses the first prompts.

    Where each step is read alone, its prompt may have a slice and a mask of its own, as in the
    original experiments (``placement=random``): ``[CLS] p1 .. x1 .. [MASK] .. pP [SEP]``.
    """

    by_step: ClassVar[bool] = True
    default_length: ClassVar[int] = 1

    def template(self, steps: int, width: int, slots: int, prompt: Prompt) -> Template:
        """P / S prompt slots before the W tokens of each step, the mask behind the last; or all
        slots and the mask around the one step, as the prompt says."""
        if prompt.apart:
            return around(steps, width, slots, *prompt.place)
        own = np.arange(slots).reshape(steps, -1)
        rows = np.hstack([own, np.full((steps, width), -1)])
        return Template.from_order(np.append(rows.ravel(), -2), width)
