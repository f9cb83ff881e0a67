"""Discrete prompts: words of the vocabulary, found by search, by gradients, or by rewards."""

from __future__ import annotations

from dataclasses import replace

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["DISCRETE"]

_DISCRETE = Settings(n_prompts=1, readout="mask")

DISCRETE = (
    Recipe(
        "hard-search",
        "random word prompts with patience and restarts; the three best side by side, ridge",
        "the original experiments' search, on kernels",
        replace(_DISCRETE, tuner="search:draws=20,patience=5,restarts=2,keep=3"),
        mechanism="prompts are drawn until none improves the head's validation loss for 5 draws, "
        "then anew; the best of all draws win",
        departures=(
            "three prompts are kept where the original keeps one, because features of several "
            "draws stand side by side under one ridge",
        ),
    ),
    Recipe(
        "autoprompt",
        "words of the prompt swapped by gradients, classes told by words chosen from data",
        "Shin et al. (2020); scores of words by tied embeddings",
        replace(_DISCRETE, tuner="trigger", head="auto-words:scores=tied"),
        mechanism="for a random slot the words w with the least e(w) . dL/de(slot) over one batch "
        "are candidates, and the one with the least loss on a fresh batch is swapped in if it is "
        "less than the prompt's own there",
        departures=(
            "words of classes are chosen anew under each prompt, because a prompt is judged by the "
            "words that its head will take",
            "a class's score is the mean of its words' scores with a learned temperature and bias, "
            "where the paper adds probabilities, because this is the head that predicts",
            "the search starts from random words and not from masks, because few rounds would "
            "leave masks in the prompt",
        ),
    ),
    Recipe(
        "rlprompt",
        "a policy on the frozen model writes the prompt, rewarded by the classes' words",
        "RLPrompt: Deng et al. (2022); scores of words by tied embeddings",
        replace(
            _DISCRETE,
            prompt="hard:length=5",
            tuner="policy",
            head="auto-words:scores=tied",
        ),
        mechanism="reward 180^(1-correct) 200^correct (P(c) - max P(c')) from the classes' words, "
        "as z-scores over the prompts tried on each input; a perceptron on the frozen model's "
        "states writes the words and learns by soft Q-learning",
        departures=(
            "the policy reads the task's own model, where the paper takes a small GPT-2, because "
            "one frozen model is at hand",
            "it writes 200 whole words drawn at random, for 60 rounds of 8 prompts with larger "
            "steps, where the paper has all words and 12,000 rounds, because a fit shall take "
            "minutes",
            "the best prompt of each round is judged on held-out train, where the paper judges the "
            "greedy one, because the random draws of its placebo can then be judged alike",
            "class words are chosen from data, for rewards once under the first draw and for the "
            "model under the best, with a temperature and a bias, where the paper is given them, "
            "because classes of series have no words",
        ),
    ),
)
