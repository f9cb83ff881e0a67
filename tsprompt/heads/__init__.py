"""Heads (mask models): features become class probabilities."""

from tsprompt.heads.base import Head, heads

__all__ = ["Head", "heads"]
