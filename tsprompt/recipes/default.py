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
        mechanism="dilated random convolutions of each step's neighbourhood are its embedding; "
        "statistics over the data tokens of one layer, under four prompts, go to one ridge",
        departures=(
            "responses are tokens that a frozen model reads, where ROCKET pools each over the "
            "whole series, because a prompt must have something to stand beside",
        ),
    ),
    Recipe(
        "fast",
        "the same with two prompts and half the steps",
        "this project",
        Settings(tokenizer="kernels:steps=32", n_prompts=2),
        mechanism="as default, with half the prompts and half the steps: a quarter of the tokens",
    ),
    Recipe(
        "accurate",
        "the same with eight prompts and three layers; no more accurate where it was measured",
        "this project",
        Settings(n_prompts=8, readout="pooled:first=3"),
        mechanism="as default, with twice the prompts and three layers instead of one",
    ),
)
