"""`patches`: each step is a patch of raw values, embedded by one linear map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.accelerator import sent
from tsprompt.base.state import numbers
from tsprompt.data import Cases
from tsprompt.tokenizers.base import FIT_CASES, Embedder, Vocabulary, tokenizers

__all__ = ["Patches"]


@tokenizers.register("patches")
@dataclass
class Patches(Embedder):
    """Linear patch embedding (as in PatchTST, Nie et al. 2023, with a random map): (b, S, 1, D).

    The map is Gaussian and not trained. Its output is standardised on train, brought to `scale` and
    put on the sphere. A last, shorter patch is continued with its last value.
    """

    class State(Embedder.State):
        """What fitting has learned."""

        projection_: Annotated[Tensor, numbers("float32", "P", "D")]

    def _fit(
        self, cases: Cases, vocabulary: Vocabulary, rng: np.random.Generator, member: int
    ) -> None:
        size = self.patch_ * cases.n_features
        weights = rng.standard_normal((size, vocabulary.hidden_size)) / np.sqrt(size)
        self.projection_ = torch.from_numpy(weights.astype(np.float32))
        sample = cases.take(rng.permutation(len(cases))[:FIT_CASES])
        projected = [
            self._project(torch.from_numpy(values), self.patch_).flatten(0, 1)
            for _, values in sample.groups()
        ]
        self._learn_space(torch.cat(projected), vocabulary, rng)

    def _project(self, values: Tensor, patch: int) -> Tensor:
        """(b, T, F) -> (b, S, D). A longer patch than in train is averaged down to train's."""
        timesteps = values.shape[1]
        count = -(-timesteps // patch)
        rest = count * patch - timesteps
        if rest:
            values = torch.cat([values, values[:, -1:].expand(-1, rest, -1)], dim=1)
        patches = values.unflatten(1, (count, patch))
        if patch != self.patch_:
            by_feature = patches.transpose(2, 3).flatten(1, 2)
            pooled = functional.adaptive_avg_pool1d(by_feature, self.patch_)
            patches = pooled.unflatten(1, (count, -1)).transpose(2, 3)
        return patches.reshape(values.shape[0], count, -1) @ sent(self.projection_, values.device)

    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        return self._place(self._project(values, patch)).unsqueeze(2)
