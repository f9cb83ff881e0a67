"""Regimes: what is fitted, the prompt, the language model, both, or neither."""

from tsprompt.regimes.base import Regime, regimes

__all__ = ["Regime", "regimes"]
