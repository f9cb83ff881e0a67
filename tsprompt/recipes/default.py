"""This project's own recipes."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["OWN"]

OWN = (
    Recipe(
        "default",
        "random kernels, four random word prompts, layers 1 and 2 pooled, one ridge",
        "this project; kernels after Dempster et al. (2020)",
        Settings(),
    ),
    Recipe(
        "fast",
        "the same with two prompts, half the steps, and the first layer",
        "this project",
        Settings(tokenizer="kernels:steps=32", n_prompts=2, readout="pooled:first=1"),
    ),
    Recipe(
        "accurate",
        "the same with eight prompts and the first three layers",
        "this project",
        Settings(n_prompts=8, readout="pooled:first=3"),
    ),
)
