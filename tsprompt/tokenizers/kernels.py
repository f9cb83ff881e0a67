"""`kernels`: each step carries its neighbourhood, seen through D dilated random convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.part import require, require_one_of
from tsprompt.base.sorting import sort_rows
from tsprompt.base.state import numbers
from tsprompt.data import Cases
from tsprompt.tokenizers.base import FIT_CASES, Embedder, Vocabulary, tokenizers

__all__ = ["Kernels"]

_FIT_RESPONSES = 4_096
"""Responses of a kernel, drawn at random, whose quantiles are taken."""
_CHUNK = 1_000_000
"""Responses held at once, in numbers: few enough to stay in the processor's cache."""
_HAIR = 2e-6
"""How far above its quantile an edge lies, in units of the largest value of train."""
_DILATIONS = 12
"""Different dilations; kernels that share one are convolved together."""


@tokenizers.register("kernels")
@dataclass
class Kernels(Embedder):
    """D random kernels, one for each entry of an embedding: (b, S, 1, D).

    Kernels are those of ROCKET (Dempster et al. 2020): Gaussian weights, centred, here scaled to
    unit norm; dilations log-uniform; each on a random few features. They are convolved at full
    rate, half of the dilated ones with moving averages of the series. Centred kernels can't see at
    which level a series lies, so some have a mean: as large a share of them as train's variance
    lies between series, and so none where each series was centred. Then the response of each kernel
    is made robust against train: half of the kernels give the share of a patch that lies above a
    random quantile, the other half give the quantile bin (`rank`) or the size (`std`) of the
    largest response in the patch. Every second member of an ensemble sees first differences.
    """

    length: int = 9
    """Weights of a kernel; shorter where a series is shorter."""
    response: str = "rank"
    """`rank`: the quantile bin of the largest response; `std`: the response itself."""
    quantiles: int = 33
    """How many quantile bins `rank` has."""
    differences: str = "alternate"
    """Which members see first differences: `alternate`, `never` or `always`."""
    smoothed: float = 0.5
    """Share of the kernels with a dilation above 1 that see moving averages, as wide as it."""
    level: float = 1.0
    """Share of the kernels that have a random mean, in units of the share of train's variance that
    lies between series."""

    class State(Embedder.State):
        """What fitting has learned."""

        difference_: bool
        weights_: Annotated[Tensor, numbers("float32", "D", "F", "L")]
        dilations_: Annotated[Tensor, numbers("int64", "D", least=1, below=1 << 23)]
        smoothed_: Annotated[Tensor, numbers("bool", "D")]
        thresholds_: Annotated[Tensor, numbers("float32", "D")]
        edges_: Annotated[Tensor, numbers("float32", "D", "E")]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.length >= 1, "kernels: length must be 1 or more")
        require(0 <= self.smoothed <= 1, "kernels: smoothed lies between 0 and 1")
        require(0 <= self.level <= 1, "kernels: level lies between 0 and 1")
        require(self.quantiles >= 2, "kernels: quantiles must be 2 or more")
        require_one_of(self, "response", ("rank", "std"))
        require_one_of(self, "differences", ("alternate", "never", "always"))

    def _fit(
        self, cases: Cases, vocabulary: Vocabulary, rng: np.random.Generator, member: int
    ) -> None:
        self.difference_ = self.differences == "always" or (
            self.differences == "alternate" and member % 2 == 1
        )
        share = self.level * self._between(cases)
        timesteps = int(np.median(cases.lengths))
        self._draw(timesteps, cases.n_features, vocabulary.hidden_size, share, rng)
        sample = cases.take(rng.permutation(len(cases))[:FIT_CASES])
        self._learn_quantiles(sample, vocabulary.hidden_size, rng)
        tokens = [
            self._responses(torch.from_numpy(values), self.patch_).flatten(0, 1)
            for _, values in sample.groups()
        ]
        self._learn_space(torch.cat(tokens), vocabulary, rng)

    def _between(self, cases: Cases) -> float:
        """The share of the variance that lies between series, of what the kernels see."""
        seen = [np.diff(one, axis=0) if self.difference_ and len(one) > 1 else one for one in cases]
        means = np.stack([one.mean(axis=0, dtype=np.float64) for one in seen])
        total = np.concatenate(seen).var(axis=0, dtype=np.float64).sum()
        return float(min(1.0, means.var(axis=0).sum() / total)) if total > 0 else 0.0

    def _draw(
        self, timesteps: int, features: int, count: int, level: float, rng: np.random.Generator
    ) -> None:
        """Draw weights (D, F, length), and which dilation and smoothing each kernel has.

        `level` is the share of kernels that have a mean.
        """
        length = min(self.length, max(1, timesteps - 1 + timesteps % 2))
        weights = rng.standard_normal((count, features, length))
        if length > 1:
            weights -= weights.mean(axis=2, keepdims=True)
        # From a stream of their own: a share of none leaves every other draw as it is.
        (own,) = rng.spawn(1)
        means = own.standard_normal((count, features, 1)) / np.sqrt(length)
        weights += means * (own.random(count) < level)[:, None, None]
        weights *= self._draw_features(count, features, rng)[:, :, None]
        weights /= np.maximum(np.linalg.norm(weights, axis=(1, 2), keepdims=True), 1e-12)
        largest = max(1.0, (timesteps - 1) / max(length - 1, 1))
        choices = np.unique(np.geomspace(1, largest, _DILATIONS).astype(int))
        # Log-uniform over the choices: each is drawn with the width of its log interval.
        drawn = np.exp(rng.uniform(0, np.log(largest + 1e-9), size=count))
        dilations = choices[np.searchsorted(choices, drawn, side="right") - 1]
        smoothed = (rng.random(count) < self.smoothed) & (dilations > 1)
        order = np.lexsort((smoothed, dilations))
        self.weights_ = torch.from_numpy(weights.astype(np.float32))
        self.dilations_ = torch.from_numpy(dilations[order])
        self.smoothed_ = torch.from_numpy(smoothed[order])

    @staticmethod
    def _draw_features(count: int, features: int, rng: np.random.Generator) -> np.ndarray:
        """A mask (D, F): each kernel sees 2**u features, u uniform up to log2(F), as ROCKET."""
        sizes = np.floor(2 ** rng.uniform(0, np.log2(features + 1), size=count)).astype(int)
        order = rng.random((count, features)).argsort(axis=1).argsort(axis=1)
        return order < np.clip(sizes, 1, features)[:, None]

    def _learn_quantiles(self, sample: Cases, count: int, rng: np.random.Generator) -> None:
        share = min(1.0, _FIT_RESPONSES / int(sample.lengths.sum()))
        drawn = []
        for _, values in sample.groups():
            for chunk in self._chunks(torch.from_numpy(values)):
                total = len(chunk) * chunk.shape[2]
                kept = torch.from_numpy(rng.permutation(total)[: max(1, round(share * total))])
                drawn.append(
                    torch.cat(
                        [
                            each.movedim(1, 0).flatten(1)[:, kept]
                            for _, each in self._convolve(chunk)
                        ]
                    )
                )
        largest = max(float(np.abs(one).max()) for one in sample)
        # Responses that tie with a quantile, as flat stretches do, must not fall to either side of
        # it by the noise of float32, which differs with the batch and the machine.
        ordered = sort_rows(torch.cat(drawn, dim=1)) + _HAIR * largest
        shares = torch.from_numpy(rng.uniform(0.1, 0.9, size=count))
        columns = (shares * (ordered.shape[1] - 1)).round().long()
        self.thresholds_ = ordered.gather(1, columns[:, None]).squeeze(1)
        inner = torch.linspace(0, 1, self.quantiles + 1)[1:-1] * (ordered.shape[1] - 1)
        self.edges_ = ordered[:, inner.round().long()].contiguous()

    def _chunks(self, values: Tensor) -> Iterator[Tensor]:
        """What the kernels see of values (b', T, F): (b, F, T), some cases at a time."""
        if self.difference_:
            values = torch.diff(values, dim=1, prepend=values[:, :1])
        if torch.compiler.is_exporting():  # a graph has no loop over cases, nor a cache to stay in
            yield values.transpose(1, 2)
            return
        widest = max(group.stop - group.start for group, *_ in self._groups())
        yield from values.transpose(1, 2).split(max(1, _CHUNK // (widest * values.shape[1])))

    def _groups(self) -> list[tuple[slice, int, bool]]:
        """Kernels that are convolved together: which they are, their dilation, if smoothed."""
        kinds = zip(self.dilations_.tolist(), self.smoothed_.tolist(), strict=True)
        groups, start = [], 0
        for (dilation, smoothed), alike in groupby(kinds):
            end = start + len(list(alike))
            groups.append((slice(start, end), dilation, smoothed))
            start = end
        return groups

    def _convolve(self, values: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Responses (b, D', T) of values (b, F, T), some kernels at a time."""
        weights = self.weights_.to(values.device)
        for group, dilation, smoothed in self._groups():
            seen = _smooth(values, dilation) if smoothed else values
            seen = _extend(seen, dilation * (weights.shape[2] - 1))
            yield group, functional.conv1d(seen, weights[group], dilation=dilation)

    def _responses(self, values: Tensor, patch: int) -> Tensor:
        """Robust, pooled responses (b, S, D) of values (b, T, F), not yet scaled."""
        done = []
        patch = min(patch, values.shape[1])
        for chunk in self._chunks(values):
            pooled = []
            for group, response in self._convolve(chunk):
                out = response.new_empty(*response.shape[:2], -(-response.shape[2] // patch))
                # Alternating kernels, not halves: both kinds then have all dilations.
                even, odd = (slice((group.start + kind) % 2, None, 2) for kind in (0, 1))
                if out[:, even].numel():
                    thresholds = self.thresholds_[group][even]
                    out[:, even] = _share_above(response[:, even], thresholds, patch)
                if out[:, odd].numel():
                    out[:, odd] = functional.max_pool1d(response[:, odd], patch, ceil_mode=True)
                pooled.append(out)
            joined = torch.cat(pooled, dim=1)
            if self.response == "rank":
                # The bin of the largest response is the largest bin, and cheaper.
                joined[:, 1::2] = _bins(joined[:, 1::2], self.edges_[1::2])
            done.append(joined)
        return torch.cat(done).transpose(1, 2)

    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        return self._place(self._responses(values, patch)).unsqueeze(2)


def _share_above(response: Tensor, thresholds: Tensor, patch: int) -> Tensor:
    """The share of each patch of responses (b, D', T) that lies above thresholds (D',)."""
    above = torch.empty_like(response, memory_format=torch.contiguous_format)
    torch.gt(response, thresholds[:, None].to(response.device), out=above)
    return functional.avg_pool1d(above, patch, ceil_mode=True, count_include_pad=False)


def _bins(responses: Tensor, edges: Tensor) -> Tensor:
    """How many of its kernel's edges (D', E) each of responses (b, D', S) lies above.

    Comparing with one edge after another takes half the time of a binary search in each.
    """
    if torch.compiler.is_exporting():  # one node of a graph, in place of three for each edge
        return (responses[:, :, None] > edges[:, :, None]).to(responses.dtype).sum(dim=2)
    above = torch.zeros(responses.shape, dtype=torch.int16, device=responses.device)
    for edge in edges.to(responses.device).unbind(1):
        above += (responses > edge[:, None]).view(torch.uint8)
    return above.to(responses.dtype)


def _extend(values: Tensor, reach: int) -> Tensor:
    """Repeat the first and last timestep of values (b, F, T), `reach` times together."""
    return functional.pad(values, (reach // 2, reach - reach // 2), mode="replicate")


def _smooth(values: Tensor, width: int) -> Tensor:
    """Moving averages of values (b, F, T), the same T."""
    return functional.avg_pool1d(_extend(values, width - 1), width, stride=1)
