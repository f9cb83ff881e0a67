"""Heads (mask models): features become class probabilities."""

from tsprompt.heads.base import Head, Linear, heads
from tsprompt.heads.lesson import Lesson

__all__ = ["Head", "Lesson", "Linear", "heads"]
