"""Baselines: other classifiers, behind the contract that a benchmark asks for."""

from tsprompt.baselines.base import Baseline, baselines

__all__ = ["Baseline", "baselines"]
