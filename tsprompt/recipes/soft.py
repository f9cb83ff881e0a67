"""Written prompts, and prompts of vectors that are trained through the frozen language model."""

from __future__ import annotations

from dataclasses import replace

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["SOFT"]

_TRAINED = Settings(
    tuner="gradient:epochs=20,patience=5",
    n_prompts=1,
    readout="mask",
)

_BY_A_NETWORK = replace(_TRAINED, tuner="gradient:epochs=20,patience=5,learning_rate=0.001")
"""The weights of a network bear smaller steps than vectors that are free."""

SOFT = (
    Recipe(
        "manual",
        "numbers as text inside a sentence that you write; nothing but the head is fitted",
        "PromptCast: Xue and Salim (2023)",
        Settings(
            tokenizer="digits",
            prompt="manual",
            tuner="none",
            n_prompts=1,
            readout="mask",
        ),
        mechanism="the values are written out as numbers inside a sentence, and the answer is read "
        "where the sentence has its gap",
        departures=(
            "a head classifies what is said at the gap, where the source lets an encoder-decoder "
            "write a forecast, because the task is another",
            "numbers are scaled and have no decimal point, as in LLMTime, because each token "
            "takes one of the few positions",
        ),
    ),
    Recipe(
        "prompt-tuning",
        "free vectors in the prompt slots, trained through the frozen model",
        "Lester et al. (2021)",
        replace(_TRAINED, prompt="soft"),
    ),
    Recipe(
        "soft-words",
        "the words of a sentence that you write, their embeddings trained",
        "Qin and Eisner (2021); templates of words after LM-BFF: Gao et al. (2021)",
        replace(_TRAINED, prompt="soft-words"),
    ),
    Recipe(
        "p-tuning",
        "an LSTM and a perceptron write the vectors of the prompt slots",
        "Liu et al. (2021), GPT understands, too",
        replace(_BY_A_NETWORK, prompt="p-tuning"),
    ),
    Recipe(
        "prefix",
        "keys and values for every layer, written by a perceptron",
        "Li and Liang (2021)",
        replace(_BY_A_NETWORK, prompt="prefix"),
    ),
    Recipe(
        "p-tuning-v2",
        "keys and values for every layer, free parameters",
        "Liu et al. (2022)",
        replace(_TRAINED, prompt="p-tuning-v2"),
    ),
)
