"""Written prompts, and prompts of vectors that are trained through the frozen language model."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["SOFT"]

_TRAINED = Settings(
    prompt="soft",
    tuner="gradient:epochs=20,patience=5",
    n_prompts=1,
    readout="mask",
    head="mlp",
)

SOFT = (
    Recipe(
        "prompt-tuning",
        "free vectors in the prompt slots, trained through the frozen model",
        "Lester et al. (2021)",
        _TRAINED,
    ),
)
