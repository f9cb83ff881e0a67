"""The language model that a design reads with, opened for a seed and a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tsprompt.backbones import Backbone, load_backbone
from tsprompt.base.seeds import derive
from tsprompt.errors import BackboneError
from tsprompt.model.design import Design

__all__ = ["identity_of", "open_backbone", "reopen_backbone"]


def open_backbone(
    design: Design, seed: int, *, device: str = "auto", dtype: str = "auto"
) -> Backbone:
    """The backbone that a design names, as deep as it reads, and as its regime uses it.

    Parameters
    ----------
    seed
        Of the fit: weights that are drawn come from it.
    device, dtype
        As for `load_backbone`.

    Raises
    ------
    BackboneError
        It is not to be had.
    ConfigError
        It has no such layer, or the device or dtype is not available.
    """
    backbone = load_backbone(
        design.backbone,
        max(design.choose_layers()),
        derive(seed, "backbone"),
        device,
        dtype,
        answers=design.reads_answer,
    )
    return _as_used(backbone, design, seed, speaks=design.asks_speaker)


def identity_of(backbone: Backbone) -> dict[str, Any]:
    """What a saved model keeps of its backbone, in place of its weights."""
    return {
        "name": backbone.name,
        "seed": backbone.seed,
        "depth": backbone.depth,
        "answers": backbone.family.answers,
        "dtype": backbone.dtype_name,
        "weights_hash": backbone.weights_hash,
        "speaks": backbone.speaker is not None,
    }


def reopen_backbone(
    design: Design, seed: int, saved: Mapping[str, Any], *, device: str = "auto", dtype: str
) -> Backbone:
    """The backbone of a saved model; `saved` is what `identity_of` gave.

    Raises
    ------
    BackboneError
        It is not to be had, or its weights are not those of the fit.
    """
    backbone = load_backbone(
        saved["name"],
        saved["depth"],
        saved["seed"],
        device,
        dtype,
        answers=saved.get("answers", True),
    )
    if backbone.weights_hash != saved["weights_hash"]:
        raise BackboneError(
            f"the weights of {saved['name']} here are not those that the model was fitted with "
            f"({backbone.weights_hash[:12]}... instead of {saved['weights_hash'][:12]}...); "
            "install the same backbone, or fit again"
        )
    # Models that were saved before the head for masked words was trained have none of their own.
    return _as_used(backbone, design, seed, speaks=saved.get("speaks", False))


def _as_used(backbone: Backbone, design: Design, seed: int, *, speaks: bool) -> Backbone:
    return design.train.prepare(backbone, derive(seed, "train"), speaks=speaks)
