"""Tokenizers that are fitted, and what they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.data import Cases
from tsprompt.tokenizers import Tokenizer, tokenizers

NAMES = [name for name in tokenizers if tokenizers[name].makes == "words"]
"""That of pictures has steps of another kind: see test_families."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def series(count: int, timesteps: int, features: int, seed: int = 0) -> np.ndarray:
    return rng(seed).standard_normal((count, timesteps, features)).astype(np.float32)


def fit(
    spec: Any, train: Any, backbone: Backbone, max_steps: int | None = None, member: int = 0
) -> Tokenizer:
    tokenizer = tokenizers.build(spec)
    return tokenizer.fit(Cases(train), backbone, max_steps=max_steps, rng=rng(1), member=member)


def tokens(tokenizer: Tokenizer, values: np.ndarray, backbone: Backbone) -> Tensor:
    return tokenizer.transform(torch.from_numpy(values), backbone)
