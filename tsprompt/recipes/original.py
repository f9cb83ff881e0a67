"""The original experiments."""

from __future__ import annotations

from dataclasses import replace

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["ORIGINAL"]

_ORIGINAL = Settings(
    strategy="shared",
    scope="auto",
    tokenizer="bins:words=index",
    # A timestep's own prompt (per-step) is as long as the shared one, or it could not be split.
    prompt="hard:draws=normal,placement=random,length=16",
    tuner="search",
    n_prompts=1,
    readout="mask",
    head="mlp",
    backbone="bert-large-uncased|minilm",
)

_BACKBONE = (
    "minilm reads where bert-large-uncased is not on the machine, because the hub can't always be "
    "reached"
)
_POSITIONS = (
    "a series longer than the model's positions is read in patches of timesteps, because the model "
    "takes no more"
)
_UNITS = (
    "values are divided by the spread of the untrained network's outputs, because as they come "
    "they all fall on words in the middle of the vocabulary"
)
_KEPT = (
    "the prompt that does best on held-out cases is kept, because nothing else ends the training"
)

ORIGINAL = (
    Recipe(
        "original",
        "bin numbers, random prompt and mask position, MLP at the mask, redraw on patience",
        "the original experiments, final version",
        _ORIGINAL,
        own_layout=True,
        mechanism="one input for the whole row of bins (of several features: for each timestep's "
        "row), [CLS] p1..pk x1..xT pk+1..pP [SEP] with [MASK] at a random place of p; "
        "MLP(h_mask) by cross-entropy; a new p after `patience` epochs without improvement",
        departures=(
            _BACKBONE,
            _POSITIONS,
            "each draw trains its MLP anew, because then the best one does not depend on the order "
            "and its features are computed once",
            "there are ten draws, because the source names no end",
        ),
    ),
    Recipe(
        "original-gru",
        "GRU + MLP write the prompt; the embedding lookup blocks its gradient, and it says so",
        "the original experiments, first attempt",
        replace(_ORIGINAL, prompt="gru:placement=random,length=16", tuner="gradient"),
        own_layout=True,
        mechanism="ids = round(map(MLP(GRU(buffer)))), mask and slice = round(map(MLP'(buffer'))); "
        "cross-entropy reaches the MLP at the mask, and d loss / d prompt = 0 is measured",
        departures=(_BACKBONE, _POSITIONS, _UNITS),
    ),
    Recipe(
        "original-gru-st",
        "the same with a straight-through gradient, so that the prompt does learn",
        "the original experiments; Bengio et al. (2013)",
        replace(
            _ORIGINAL,
            prompt="gru:placement=random,length=16,straight_through=true",
            tuner="gradient:learning_rate=0.002",
        ),
        own_layout=True,
        mechanism="as original-gru, with d round(v) / dv = 1 and an embedding on the line between "
        "the two words beside v, so that cross-entropy reaches GRU and MLP",
        departures=(
            _BACKBONE,
            _POSITIONS,
            _UNITS,
            "mask and slice stay where they were first written, because between two places of a "
            "template nothing lies that a gradient could follow",
        ),
    ),
    Recipe(
        "original-surrogate",
        "an MLP beside the language model learns its mask vector, and its error moves the prompt",
        "the original experiments, second attempt",
        replace(_ORIGINAL, prompt="gru:placement=random,length=16", tuner="side-network"),
        own_layout=True,
        mechanism="min over g and over what writes p, m, s of |g(p, m, s) - h_mask(x; p, m, s)|^2, "
        "h_mask a target without gradient; cross-entropy trains the MLP at the mask alone",
        departures=(_BACKBONE, _POSITIONS, _UNITS, _KEPT),
    ),
    Recipe(
        "original-surrogate-replay",
        "the MLP beside the model learns from all prompts so far and carries the head's loss back",
        "after the original experiments' second attempt",
        replace(_ORIGINAL, prompt="buffer:placement=random,length=16", tuner="surrogate"),
        own_layout=True,
        mechanism="g(p, m, s) is fitted to the mean mask vectors of all prompts read so far; p "
        "goes down the cross-entropy of h_mask(x; p') + g(p, m, s) - g(p', m, s), p' read last",
        departures=(
            _BACKBONE,
            _POSITIONS,
            "cross-entropy moves the prompt and not the squared error, because that asks for no "
            "prompt that tells classes apart",
            "each slot has a free value, and mask and slice stay as drawn, because so the network "
            "beside the model is the only one between loss and prompt",
            "it first reads five random prompts, and remembers all, because one alone says nothing "
            "of how the mask vector depends on it",
        ),
    ),
)
