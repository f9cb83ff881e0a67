"""Labelled cases in the context, and coloured segments."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["CONTEXT"]

CONTEXT = (
    Recipe(
        "demonstrations",
        "beside each query, a similar train case of every class with its label word; four sets",
        "LM-BFF: Gao et al. (2021)",
        Settings(
            tokenizer="kernels:steps=32",
            prompt="hard:length=8",
            readout="mask",
            head="ridge",
            combination="vote",
            context="demonstrations",
        ),
    ),
    Recipe(
        "in-context",
        "up to four solved cases of each class, then the query; nothing is fitted at all",
        "GPT-3: Brown et al. (2020); calibration after Zhao et al. (2021)",
        Settings(
            tokenizer="kernels:steps=32",
            prompt="none",
            n_prompts=1,
            readout="mask",
            head="label-words:scores=tied,fitted=false",
            train="tuning-free",
            context="demonstrations:per_class=4,share=1.0,prompted=false,place=before,least_steps=8",
        ),
    ),
    Recipe(
        "cpt",
        "colour words before the segments; the scores of the colours at the mask decide",
        "colour-based prompt tuning, carried over from images: Yao et al. (2021)",
        Settings(
            prompt='manual:template="{series} the pattern is in [MASK] colour"',
            readout="words",
            head="ridge",
            context="colours",
        ),
    ),
)
