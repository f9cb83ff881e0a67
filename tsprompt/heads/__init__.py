"""Heads (mask models): features become class probabilities."""

from tsprompt.heads.base import Head, heads
from tsprompt.heads.lesson import Lesson

__all__ = ["Head", "Lesson", "heads"]
