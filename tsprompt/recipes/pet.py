"""Pattern-exploiting training: patterns label cases for one classifier, and for each other."""

from __future__ import annotations

from dataclasses import replace

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["PET"]

_SOURCE = "Schick and Schuetze (2021)"
_TUNER = 'pet:verbalizer="label-words:scores=tied"'
_PET = Settings(
    tokenizer="bins:steps=32",
    prompt="patterns",
    tuner=_TUNER,
    n_prompts=1,
    readout="mask",
    train="lm:learning_rate=0.0001",
)
_SHORT = (
    "30 steps for each pattern and 60 for the last model, not 250 and 5000, at a step size of "
    "1e-4, not 1e-5, because a processor without a GPU is to train them"
)
_ONCE = "each pattern's model is trained once, not three times, because of the time that it takes"
_TIED = (
    "words are scored by tied embeddings because the default backbone has lost its head for masked "
    "words; label-words:scores=model asks a backbone that has one, and trains it"
)
_HEAD = (
    "the last model's linear classifier gives way to a ridge on its states, fitted on soft and "
    "true labels, because a head is fitted last here and judges itself by the true ones"
)
_HIDDEN = (
    "only tokens of the series are hidden for the masked-language loss, because the words of a "
    "pattern are the same in every case"
)
_SELF = "without cases that lack a label train plays them, because many sets have none"

PET = (
    Recipe(
        "pet",
        "PET: four patterns, each with a fine-tuned model of its own, label for one classifier",
        _SOURCE,
        _PET,
        mechanism=(
            "each pattern's model learns the classes' words at the mask by (1 - alpha) L_CE + "
            "alpha L_MLM; their scores, weighted by accuracy before training, at temperature 2, "
            "are the labels of the last model"
        ),
        departures=(_SHORT, _ONCE, _TIED, _HEAD, _HIDDEN, _SELF),
    ),
    Recipe(
        "ipet",
        "iPET: the patterns' models also label for each other, on sets that grow",
        _SOURCE,
        replace(_PET, tuner=f"{_TUNER},generations=3"),
        mechanism=(
            "generation j learns from d^j as many cases, of each class in proportion, drawn by how "
            "sure a random share of the other patterns' models is of them"
        ),
        departures=(_SHORT, _ONCE, _TIED, _HEAD, _HIDDEN, _SELF),
    ),
    Recipe(
        "pet-ridge",
        "PET without a trained model: four random prompts' ridges label softly for one ridge",
        f"after {_SOURCE}",
        Settings(combination="distil", n_prompts=4),
        mechanism=(
            "the heads' log-probabilities, weighted by validation accuracy, at temperature 2, are "
            "the labels of one head on all features"
        ),
        departures=(
            "heads are fitted and the language model is frozen, because that takes seconds",
            "prompts are random words and features those of data tokens, because more is told "
            "there than at the mask of a frozen model",
        ),
    ),
    Recipe(
        "ipet-ridge",
        "iPET without a trained model: the ridges also label for each other, on sets that grow",
        f"after {_SOURCE}",
        Settings(combination="distil:generations=3", n_prompts=4),
        mechanism=(
            "each generation's heads learn from d times as many cases, those that a random share "
            "of the other heads is surest of, of each class in proportion"
        ),
        departures=(
            "heads are fitted and the language model is frozen, because that takes seconds",
            "the surest cases are taken and not drawn by how sure they are, because a ridge's "
            "chances are calibrated",
        ),
    ),
)
