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
        mechanism="one prompt is pre-trained on all sets by three self-made tasks, one for each "
        "format: does B follow A, which candidate follows, which of five levels; then tuned",
        departures=(
            "sentences are stretches of a series, and the five ratings are levels of roughness, "
            "because series have no sentences and no rating model",
            "three candidates instead of six, because all must fit into the length of a series",
            "one prompt learns all three formats, where the paper has one for each and a unified "
            "one, because what follows is always one series and its class",
            "a perceptron answers each task and is let go of, where the paper keeps label words, "
            "because classes of series have no words in common",
        ),
    ),
    Recipe(
        "transprompt",
        "prompts meta-learned across tasks by encoders, a universal one and one for each",
        "Wang et al. (2021), TransPrompt",
        Settings(
            prompt="p-tuning",
            tuner="transprompt:epochs=20,patience=5,pretraining_rate=0.001",
            n_prompts=1,
            readout="mask",
        ),
        mechanism="each task's prompt is the mean of what a universal LSTM encoder and its own "
        "write; cases weigh by their nearness to prototypes of classes, and -0.1 of the answers' "
        "entropy is added; then adapted",
        departures=(
            "the model is frozen unless train=prompt+lm tunes it with the encoders, because a "
            "frozen model is what all recipes share; prompts of several sets are always learned "
            "with it frozen, because only prompts are handed on",
            "adaptation trains the vectors that the encoders wrote, because encoders are not saved",
            "nearness is 1 / (1 + squared distance) and not a cosine, so that weights are positive",
            "a perceptron answers each task, where the paper has label words, because classes of "
            "series have none in common",
        ),
    ),
)
