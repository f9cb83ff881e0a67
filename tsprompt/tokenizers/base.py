"""What every tokenizer does: cut a series into steps, and give each step W tokens."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.part import Part, require
from tsprompt.registry import Registry

__all__ = ["Tokenizer", "Vocabulary", "pool_mean", "tokenizers"]

tokenizers: Registry[Tokenizer] = Registry("tokenizer", "tsprompt.tokenizers")

Vocabulary = Backbone
"""A tokenizer asks the backbone for its words and embeddings, and never runs it."""


@dataclass
class Tokenizer(Part):
    """Turns (b, T, F) values into ids (b, S, W) or embeddings (b, S, W, D).

    A step is one timestep, or a patch of `patch_` consecutive ones where a series is longer than
    the steps that are allowed; the last patch of a series may be shorter. Series of one length
    come together, so that nothing is padded.
    """

    discrete: ClassVar[bool]
    """Whether tokens are ids of the vocabulary."""

    steps: int | None = None
    """The most steps of a series; None takes as many as the language model can read."""

    def __post_init__(self) -> None:
        require(self.steps is None or self.steps >= 1, f"{self.name}: steps must be 1 or more")

    def width(self, n_features: int) -> int:
        """W, the tokens of one step."""
        return 1

    def fit(
        self,
        cases: Cases,
        vocabulary: Vocabulary,
        *,
        max_steps: int | None,
        rng: np.random.Generator,
        member: int = 0,
    ) -> Tokenizer:
        """Learn from train.

        Parameters
        ----------
        cases
            Train, preprocessed.
        vocabulary
            The backbone whose words or embeddings the tokens are.
        max_steps
            How many steps the template has room for; None if there is no bound.
        rng
            Where random choices come from.
        member
            The number of this tokenizer among those whose features are concatenated.
        """
        longest = int(cases.lengths.max())
        limits = [limit for limit in (self.steps, max_steps) if limit is not None]
        limit = min([*limits, longest])
        if limit < 1:
            raise ConfigError(
                f"a step of {cases.n_features} features takes {self.width(cases.n_features)} "
                f"tokens with the tokenizer {self.name!r}: not even one fits beside the prompt; "
                'use tokenizer="kernels" or "patches", which give one token per step'
            )
        self.patch_ = math.ceil(longest / limit)
        self.max_steps_ = math.ceil(longest / self.patch_)
        self._fit(cases, vocabulary, rng, member)
        return self

    def transform(self, values: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Ids (b, S, W), int64, or embeddings (b, S, W, D), float32, of values (b, T, F)."""
        return self._transform(values, self.patch_length(values.shape[1]), vocabulary)

    def patch_length(self, timesteps: int) -> int:
        """Timesteps of a step. A series longer than any in train gets longer patches, not a cut."""
        return max(self.patch_, math.ceil(timesteps / self.max_steps_))

    def _fit(
        self, cases: Cases, vocabulary: Vocabulary, rng: np.random.Generator, member: int
    ) -> None:
        """Learn from train; the patch length is known."""

    @abstractmethod
    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        """Tokenise values (b, T, F) with this patch length."""

    def _learn_scale(self, vectors: Tensor, vocabulary: Vocabulary, factor: float) -> None:
        """Remember how to bring vectors (n, D) to `factor` times the words' standard deviation."""
        self.center_ = vectors.mean(dim=0)
        spread = vectors.std(dim=0, correction=0)
        unit = torch.where(spread > 1e-6, spread, torch.ones_like(spread))
        self.gain_ = factor * vocabulary.word_scale / unit

    def _scaled(self, vectors: Tensor) -> Tensor:
        return (vectors - self.center_.to(vectors.device)) * self.gain_.to(vectors.device)


def pool_mean(values: Tensor, patch: int) -> Tensor:
    """Means (b, S, F) over patches of values (b, T, F); the last patch may be shorter."""
    if patch == 1:
        return values
    pooled = functional.avg_pool1d(
        values.transpose(1, 2), patch, ceil_mode=True, count_include_pad=False
    )
    return pooled.transpose(1, 2)
