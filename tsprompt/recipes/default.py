"""This project's own recipes."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["OWN"]

OWN = (
    Recipe(
        "default",
        "random kernels, four random word prompts, layer 1 pooled, one ridge",
        "this project; kernels after Dempster et al. (2020)",
        Settings(),
    ),
    Recipe(
        "fast",
        "the same with two prompts and half the steps",
        "this project",
        Settings(tokenizer="kernels:steps=32", n_prompts=2),
    ),
    Recipe(
        "accurate",
        "the same with eight prompts and three layers; no more accurate where it was measured",
        "this project",
        Settings(n_prompts=8, readout="pooled:first=3"),
    ),
)
