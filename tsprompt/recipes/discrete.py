"""Discrete prompts: words of the vocabulary, found by search, by gradients, or by rewards."""

from __future__ import annotations

from dataclasses import replace

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["DISCRETE"]

_DISCRETE = Settings(n_prompts=1, readout="mask")

DISCRETE = (
    Recipe(
        "hard-search",
        "random word prompts with patience and restarts; the three best side by side, ridge",
        "the original experiments' search, on kernels",
        replace(_DISCRETE, tuner="search:draws=20,patience=5,restarts=2,keep=3"),
    ),
    Recipe(
        "autoprompt",
        "words of the prompt swapped by gradients, classes told by words chosen from data",
        "Shin et al. (2020); scores of words by tied embeddings",
        replace(_DISCRETE, tuner="trigger", head="auto-words:scores=tied"),
    ),
    Recipe(
        "rlprompt",
        "a small policy writes the prompt and is rewarded by the head's validation loss",
        "Deng et al. (2022)",
        replace(_DISCRETE, tuner="policy"),
    ),
)
