"""A model that reads a drawing of the series: a vision transformer, or a CLIP with texts beside."""

from __future__ import annotations

from tsprompt.recipes.base import Recipe, Settings

__all__ = ["IMAGE"]

_CLIP = "openai/clip-vit-base-patch32"

IMAGE = (
    Recipe(
        "image",
        "a line plot of the series, read by a vision transformer (ViT), pooled, one ridge",
        "Li et al. (2023); Dosovitskiy et al. (2021)",
        Settings(
            tokenizer="image",
            prompt="none",
            n_prompts=1,
            readout="pooled:first=2",
            backbone="google/vit-base-patch16-224-in21k",
        ),
        mechanism="the series is a line plot, and the patches of the picture are the tokens",
        departures=(
            "a ridge on frozen layers, where the source fine-tunes all, because here the model is "
            "never trained",
            "features share one plot, in a colour each, where the source has a grid of plots, "
            "because a picture of 224 pixels has little room",
        ),
    ),
    Recipe(
        "clip",
        "the class whose text a CLIP finds most like the plot; no label is learned from",
        "CLIP, zero-shot: Radford et al. (2021)",
        Settings(
            tokenizer="image",
            prompt="none",
            n_prompts=1,
            readout="mask",
            head="class-texts",
            train="tuning-free",
            backbone=_CLIP,
        ),
        mechanism="P(c | plot) = softmax_c(exp(t) cos(image, text_c)), mean over templates",
        departures=(
            "one plain template, 'a plot of {class}', because the 80 of the source are of photos",
        ),
    ),
    Recipe(
        "tip-adapter",
        "the same with the labelled plots of train as a cache beside the texts",
        "Tip-Adapter: Zhang et al. (2022)",
        Settings(
            tokenizer="image",
            prompt="none",
            n_prompts=1,
            readout="mask",
            head="tip-adapter",
            train="tuning-free",
            backbone=_CLIP,
        ),
        mechanism="score = exp(t) f W + alpha exp(-beta (1 - f K)) L; K, L: plots, labels of train",
        departures=(
            "alpha and beta by leave-one-out over train, where the source searches them on a "
            "validation set, because all choices are made inside train",
            "without augmented views of each picture, because a plot has no other crop",
        ),
    ),
    Recipe(
        "cpt-plot",
        "segments of the plot in real colours; a CLIP says which colour a text means",
        "CPT: Yao et al. (2021); the model is CLIP's, Radford et al. (2021)",
        Settings(
            tokenizer="image:paint=red+green+blue+yellow",
            prompt="none",
            n_prompts=1,
            readout="texts",
            train="tuning-free",
            backbone=_CLIP,
        ),
        mechanism="P(segment i | plot, query) = softmax_i score(plot, 'query is in colour i')",
        departures=(
            "each colour's sentence is compared with the plot, where the source fills a [MASK], "
            "because no model with words for masks and pictures is read here",
            "regions are equal segments of time, not a detector's, because a series has no objects",
            "which segment tells of which class is learned, by a ridge on the scores, because "
            "the source asks for a region and not for a class",
            "colours as CSS has them, not searched for, because the search needs the model's words",
        ),
    ),
)
