"""Strategies: how 3-D input, a prompt and the mask become one template."""

from tsprompt.strategies.base import Strategy, strategies

__all__ = ["Strategy", "strategies"]
