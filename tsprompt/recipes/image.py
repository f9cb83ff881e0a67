"""A vision transformer that reads a drawing of the series."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["IMAGE"]

IMAGE = (
    Recipe(
        "image",
        "a line plot of the series, read by a vision transformer (ViT), pooled, one ridge",
        "Li et al. (2023); Dosovitskiy et al. (2021)",
        Settings(
            tokenizer="image",
            prompt="none",
            n_prompts=1,
            readout="pooled:first=2",
            backbone="google/vit-base-patch16-224-in21k",
        ),
    ),
)
