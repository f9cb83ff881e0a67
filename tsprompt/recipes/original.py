"""The original experiments."""

from __future__ import annotations

from dataclasses import replace

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["ORIGINAL"]

_ORIGINAL = Settings(
    strategy="shared",
    scope="step",
    tokenizer="bins:words=index",
    prompt="hard:draws=normal,placement=random",
    tuner="search",
    n_prompts=1,
    readout="mask",
    head="mlp",
    backbone="bert-large-uncased|minilm",
)

ORIGINAL = (
    Recipe(
        "original",
        "bin numbers, random prompt and mask position, MLP at the mask, redraw on patience",
        "the original experiments, final version",
        _ORIGINAL,
        own_layout=True,
    ),
    Recipe(
        "original-gru",
        "GRU + MLP write the prompt; the embedding lookup blocks its gradient, and it says so",
        "the original experiments, first attempt",
        replace(_ORIGINAL, prompt="gru:placement=random", tuner="gradient"),
        own_layout=True,
    ),
    Recipe(
        "original-gru-st",
        "the same with a straight-through gradient, so that the prompt does learn",
        "the original experiments; Bengio et al. (2013)",
        replace(_ORIGINAL, prompt="gru:placement=random,straight_through=true", tuner="gradient"),
        own_layout=True,
    ),
    Recipe(
        "original-surrogate",
        "an MLP beside the language model carries the loss back to the prompt",
        "the original experiments, second attempt",
        replace(_ORIGINAL, prompt="buffer:placement=random", tuner="surrogate"),
        own_layout=True,
    ),
)
