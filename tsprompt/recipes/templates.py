"""Templates of words that are found: written by a T5, mined from a corpus, paraphrased."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["TEMPLATES"]

TEMPLATES = (
    Recipe(
        "lm-bff",
        "a T5 writes sentences around the words of the classes, train says which suits",
        "LM-BFF: Gao et al. (2021)",
        Settings(
            tokenizer="digits",
            prompt="manual",
            tuner="generate",
            n_prompts=1,
            readout="mask",
            head="auto-words:scores=tied",
        ),
        mechanism="beam search for the words t in two gaps around each class's word with the "
        "largest sum over cases of log P(t | case), then the one with the least loss on a "
        "development part of train",
        departures=(
            "30 beams and 20 templates that are compared, where the paper has 100 and 100, "
            "because each costs a run of the model over train",
            "a head of words is fitted under each template, where the paper trains the whole "
            "model, because the language model is frozen; --train lm trains it",
            "demonstrations are another recipe, because each is of use without the other",
        ),
    ),
)
