"""Heads (mask models): features become class probabilities."""

from tsprompt.heads.base import Head, Linear, heads
from tsprompt.heads.judgement import Judgement
from tsprompt.heads.lesson import Lesson

__all__ = ["Head", "Judgement", "Lesson", "Linear", "heads"]
