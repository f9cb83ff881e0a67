"""Prompts that come from elsewhere: pre-trained without labels, or meta-learned on many tasks."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["TRANSFER"]

TRANSFER = (
    Recipe(
        "ppt",
        "a prompt pre-trained without labels, on other sets or on this one, then tuned",
        "Gu et al. (2022), PPT",
        Settings(
            prompt="soft",
            tuner="ppt:epochs=20,patience=5",
            n_prompts=1,
            readout="mask",
        ),
    ),
    Recipe(
        "transprompt",
        "a prompt meta-learned across tasks, a universal part and one for each, then adapted",
        "Wang et al. (2021), TransPrompt",
        Settings(
            prompt="soft",
            tuner="transprompt:epochs=20,patience=5",
            n_prompts=1,
            readout="mask",
        ),
    ),
)
