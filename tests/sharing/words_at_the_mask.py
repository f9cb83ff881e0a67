"""Heads of words on features that are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from tsprompt.heads import Head

WORD_HEADS = ("label-words", "knowledge", "auto-words", "soft-words-head", "prototype")
VERBALIZERS = ("label-words", "knowledge", "auto-words")


def met(head: Head, backbone: Any, classes: tuple[str, ...] = ("3", "7")) -> Any:
    head.meet(backbone, classes=list(classes))
    return head


def id_of(backbone: Any, word: str) -> int:
    number = backbone.words.id(word)
    assert number is not None
    return number


def towards(backbone: Any, words: list[str], count: int = 40, noise: float = 0.3) -> Any:
    """States (B, D) in which the tied scorer hears, class by class, one of these words."""
    labels = np.arange(count) % len(words)
    rng = np.random.default_rng(0)
    vectors = backbone.word_vectors[[id_of(backbone, word) for word in words]]
    spread = float(vectors.std())
    noises = torch.from_numpy(rng.standard_normal((count, vectors.shape[1])).astype(np.float32))
    return vectors[labels] + noise * spread * noises, labels
