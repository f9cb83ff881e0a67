"""Problems as `tsprompt pretrain` gives them to a tuner, on tiny data and tiny models."""

from __future__ import annotations

from typing import Any

from tsprompt.backbones import load_backbone
from tsprompt.data import as_cases
from tsprompt.model.design import Design
from tsprompt.model.pretrained_prompts import _labels, _prepare
from tsprompt.recipes import resolve
from tsprompt.tuners import Problem

QUICK: dict[str, Any] = {
    "tokenizer": "kernels:steps=8",
    "prompt": "soft:length=4",
    "head": "mlp:epochs=20,hidden=8",
}
"""Choices of a classifier that trains a prompt in a blink."""
FEW = "epochs=2,patience=2,hidden=8"
"""Options of a tuner that goes with it."""
FEWER = f"{FEW},pretraining_epochs=2,pretraining_patience=2"
"""The same of one that pre-trains."""


def with_family(kind: str, folder: str, **more: Any) -> dict[str, Any]:
    """Choices of a classifier with a tiny model of this kind."""
    own = {"tokenizer": "image", "prompt": "soft:length=4,init=random"} if kind == "vit" else {}
    return {**QUICK, **own, "backbone": folder, "device": "cpu", "dtype": "float32", **more}


def problem_of(
    choices: dict[str, Any], X: Any, y: Any, recipe: str = "prompt-tuning", **more: Any
) -> Problem:
    """A set under a recipe's choices and these."""
    own = {k: v for k, v in {**choices, **more}.items() if k in resolve(recipe, {})}
    parts = Design.build(resolve(recipe, own))
    backbone = load_backbone(parts.backbone, device="cpu", dtype="float32")
    labels = _labels("made", y, len(X), needed=True)
    problem, _ = _prepare(parts, backbone, as_cases(X), labels, seed=0, batch_tokens=None)
    return problem
