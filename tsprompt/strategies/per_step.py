"""`per-step`: every step has a prompt of its own, placed before its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tsprompt.backbones.template import Prompt, Template
from tsprompt.strategies.base import Strategy, strategies

__all__ = ["PerStep"]


@strategies.register("per-step")
@dataclass
class PerStep(Strategy):
    """``[CLS] p1 x1 p2 x2 .. pS xS [MASK] [SEP]``. A shorter series uses the first prompts."""

    by_step: ClassVar[bool] = True
    default_length: ClassVar[int] = 1

    def template(self, steps: int, width: int, slots: int, prompt: Prompt) -> Template:
        """P / S prompt slots before the W tokens of each step, the mask behind the last."""
        own = np.arange(slots).reshape(steps, -1)
        rows = np.hstack([own, np.full((steps, width), -1)])
        return Template.from_order(np.append(rows.ravel(), -2), width)
