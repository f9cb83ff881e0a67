"""`kernels`: each step carries its neighbourhood, seen through D dilated random convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.data import Cases
from tsprompt.part import require, require_one_of
from tsprompt.tokenizers.base import Tokenizer, Vocabulary, tokenizers

__all__ = ["Kernels"]

_FIT_CASES = 128
"""Cases of train, drawn at random, on which quantiles and scales are learned."""
_FIT_RESPONSES = 4_096
"""Responses of a kernel, drawn at random, whose quantiles are taken."""
_CHUNK = 16_000_000
"""Responses held at once, in numbers."""
_HAIR = 2e-6
"""How far above its quantile an edge lies, in units of the largest value of train."""
_DILATIONS = 12
"""Different dilations; kernels that share one are convolved together."""


@tokenizers.register("kernels")
@dataclass
class Kernels(Tokenizer):
    """D random kernels, one for each entry of an embedding: (b, S, 1, D).

    Kernels are those of ROCKET (Dempster et al. 2020): Gaussian weights, centred, here scaled to
    unit norm; dilations log-uniform; each on a random few features. They are convolved at full
    rate. Then the response of each kernel is made robust against train: half of the kernels give
    the share of a patch that lies above a random quantile, the other half give the quantile bin
    (`rank`) or the size (`std`) of the largest response in the patch. Every second member of an
    ensemble sees first differences.
    """

    discrete: ClassVar[bool] = False

    steps: int | None = 64
    """The most steps of a series; None takes as many as the language model can read."""
    length: int = 9
    """Weights of a kernel; shorter where a series is shorter."""
    response: str = "rank"
    """`rank`: the quantile bin of the largest response; `std`: the response itself."""
    quantiles: int = 33
    """How many quantile bins `rank` has."""
    differences: str = "alternate"
    """Which members see first differences: `alternate`, `never` or `always`."""
    scale: float = 1.5
    """Standard deviation of the embeddings, in units of the words'."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.length >= 1, "kernels: length must be 1 or more")
        require(self.quantiles >= 2, "kernels: quantiles must be 2 or more")
        require(self.scale > 0, "kernels: scale must be positive")
        require_one_of(self, "response", ("rank", "std"))
        require_one_of(self, "differences", ("alternate", "never", "always"))

    def _fit(
        self, cases: Cases, vocabulary: Vocabulary, rng: np.random.Generator, member: int
    ) -> None:
        self.difference_ = self.differences == "always" or (
            self.differences == "alternate" and member % 2 == 1
        )
        self._draw(int(np.median(cases.lengths)), cases.n_features, vocabulary.hidden_size, rng)
        sample = cases.take(rng.permutation(len(cases))[:_FIT_CASES])
        self._learn_quantiles(sample, vocabulary.hidden_size, rng)
        tokens = [
            self._responses(torch.from_numpy(values), self.patch_).flatten(0, 1)
            for _, values in sample.groups()
        ]
        self._learn_scale(torch.cat(tokens), vocabulary, self.scale)

    def _draw(self, timesteps: int, features: int, count: int, rng: np.random.Generator) -> None:
        """Draw weights (D, F, length) and dilations (D,), ordered by dilation."""
        length = min(self.length, max(1, timesteps - 1 + timesteps % 2))
        weights = rng.standard_normal((count, features, length))
        if length > 1:
            weights -= weights.mean(axis=2, keepdims=True)
        weights *= self._draw_features(count, features, rng)[:, :, None]
        weights /= np.maximum(np.linalg.norm(weights, axis=(1, 2), keepdims=True), 1e-12)
        largest = max(1.0, (timesteps - 1) / max(length - 1, 1))
        choices = np.unique(np.geomspace(1, largest, _DILATIONS).astype(int))
        # Log-uniform over the choices: each is drawn with the width of its log interval.
        drawn = np.exp(rng.uniform(0, np.log(largest + 1e-9), size=count))
        dilations = np.sort(choices[np.searchsorted(choices, drawn, side="right") - 1])
        self.weights_ = torch.from_numpy(weights.astype(np.float32))
        self.dilations_ = torch.from_numpy(dilations)

    @staticmethod
    def _draw_features(count: int, features: int, rng: np.random.Generator) -> np.ndarray:
        """A mask (D, F): each kernel sees 2**u features, u uniform up to log2(F), as ROCKET."""
        sizes = np.floor(2 ** rng.uniform(0, np.log2(features + 1), size=count)).astype(int)
        order = rng.random((count, features)).argsort(axis=1).argsort(axis=1)
        return order < np.clip(sizes, 1, features)[:, None]

    def _learn_quantiles(self, sample: Cases, count: int, rng: np.random.Generator) -> None:
        share = min(1.0, _FIT_RESPONSES / int(sample.lengths.sum()))
        responses = []
        for _, values in sample.groups():
            for response in self._convolve(torch.from_numpy(values)):
                every = response.movedim(1, 0).flatten(1)
                size = max(1, round(share * every.shape[1]))
                kept = rng.choice(every.shape[1], size=size, replace=False)
                responses.append(every[:, torch.from_numpy(kept)])
        largest = max(float(np.abs(one).max()) for one in sample)
        # Responses that tie with a quantile, as flat stretches do, must not fall to either side of
        # it by the noise of float32, which differs with the batch and the machine.
        ordered = torch.cat(responses, dim=1).sort(dim=1).values + _HAIR * largest
        shares = torch.from_numpy(rng.uniform(0.1, 0.9, size=count))
        columns = (shares * (ordered.shape[1] - 1)).round().long()
        self.thresholds_ = ordered.gather(1, columns[:, None]).squeeze(1)
        inner = torch.linspace(0, 1, self.quantiles + 1)[1:-1] * (ordered.shape[1] - 1)
        self.edges_ = ordered[:, inner.round().long()].contiguous()
        # Alternating kernels, not halves: both kinds then have all dilations.
        self.shares_ = torch.arange(count) % 2 == 0

    def _convolve(self, values: Tensor) -> Iterator[Tensor]:
        """Responses (b, D, T) of values (b', T, F), some cases at a time."""
        if self.difference_:
            values = torch.diff(values, dim=1, prepend=values[:, :1])
        weights, dilations = self.weights_.to(values.device), self.dilations_.tolist()
        rows = max(1, _CHUNK // (len(weights) * values.shape[1]))
        for chunk in values.transpose(1, 2).split(rows):
            parts = []
            for dilation in sorted(set(dilations)):
                first = dilations.index(dilation)
                group = weights[first : first + dilations.count(dilation)]
                reach = dilation * (group.shape[2] - 1)
                padded = functional.pad(chunk, (reach // 2, reach - reach // 2), mode="replicate")
                parts.append(functional.conv1d(padded, group, dilation=dilation))
            yield torch.cat(parts, dim=1)

    def _responses(self, values: Tensor, patch: int) -> Tensor:
        """Robust, pooled responses (b, S, D) of values (b, T, F), not yet scaled."""
        shares = self.shares_.to(values.device)
        thresholds = self.thresholds_.to(values.device)[shares][:, None]
        pooled = []
        for response in self._convolve(values):
            above = (response[:, shares] > thresholds).to(torch.float32)
            out = response.new_empty(len(response), len(shares), -(-response.shape[2] // patch))
            out[:, shares] = functional.avg_pool1d(
                above, patch, ceil_mode=True, count_include_pad=False
            )
            largest = functional.max_pool1d(response[:, ~shares], patch, ceil_mode=True)
            out[:, ~shares] = self._robust(largest)
            pooled.append(out)
        return torch.cat(pooled).transpose(1, 2)

    def _robust(self, largest: Tensor) -> Tensor:
        """The bin of the largest response: the same as the largest bin, and cheaper."""
        if self.response == "std":
            return largest
        edges = self.edges_.to(largest.device)[~self.shares_]
        by_kernel = largest.movedim(1, 0)
        ranks = torch.searchsorted(edges, by_kernel.flatten(1).contiguous())
        return ranks.to(torch.float32).view_as(by_kernel).movedim(0, 1)

    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        return self._scaled(self._responses(values, patch)).unsqueeze(2)
