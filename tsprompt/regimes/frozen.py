"""`prompt` and `tuning-free`: the language model stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tsprompt.regimes.base import Regime, regimes

__all__ = ["PromptOnly", "TuningFree"]


@regimes.register("prompt")
@dataclass
class PromptOnly(Regime):
    """The prompt is found as its tuner does it; the language model is frozen."""

    tunes_prompt: ClassVar[bool] = True

    placebo: bool = False
    """The control of equal budget: the tuner takes as many steps, or judges as many prompts, but
    each step or proposal is drawn at random; the head is fitted on train as ever."""


@regimes.register("tuning-free")
@dataclass
class TuningFree(Regime):
    """The prompt is taken as it is drawn or written; the language model is frozen."""

    tunes_prompt: ClassVar[bool] = False
