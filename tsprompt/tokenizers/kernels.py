"""`kernels`: each step carries its neighbourhood, seen through D dilated random convolutions."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.base.part import require, require_one_of
from tsprompt.base.sorting import sort_rows
from tsprompt.base.state import numbers
from tsprompt.data import Cases
from tsprompt.tokenizers.base import (
    FIT_CASES,
    Embedder,
    Joined,
    Tokenizer,
    Vocabulary,
    tokenizers,
)
from tsprompt.tokenizers.joined import JoinedKernels, Sphere, joined_banks
from tsprompt.tokenizers.responses import LINE, Bank, Group

__all__ = ["Kernels"]

_FIT_RESPONSES = 4_096
"""Responses of a kernel, drawn at random, whose quantiles are taken."""
_DRAWN_AMONG = 1_000_000
"""Responses of one dilation, in numbers, among which they are drawn at a time."""
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
        drawn = [
            responses
            for _, values in sample.groups()
            for responses in self._draw_responses(torch.from_numpy(values), share, rng)
        ]
        largest = max(float(np.abs(one).max()) for one in sample)
        # Responses that tie with a quantile, as flat stretches do, must not fall to either side of
        # it by the noise of float32, which differs with the batch and the machine.
        ordered = sort_rows(torch.cat(drawn, dim=1)) + _HAIR * largest
        shares = torch.from_numpy(rng.uniform(0.1, 0.9, size=count))
        columns = (shares * (ordered.shape[1] - 1)).round().long()
        self.thresholds_ = ordered.gather(1, columns[:, None]).squeeze(1)
        inner = torch.linspace(0, 1, self.quantiles + 1)[1:-1] * (ordered.shape[1] - 1)
        self.edges_ = ordered[:, inner.round().long()].contiguous()

    def _draw_responses(
        self, values: Tensor, share: float, rng: np.random.Generator
    ) -> Iterator[Tensor]:
        """A share of all responses (D, n) to values (b, T, F), drawn among some cases at a time."""
        timesteps = values.shape[1]
        bank = Bank(self.weights_, self._groups(), self.weights_.new_empty(0), None)
        widest = max(group.stop - group.start for group in bank.groups)
        for chunk in self._seen(values).split(max(1, _DRAWN_AMONG // (widest * timesteps))):
            total = len(chunk) * timesteps
            kept = torch.from_numpy(rng.permutation(total)[: max(1, round(share * total))])
            yield bank.at(chunk, kept // timesteps, kept % timesteps)

    def _seen(self, values: Tensor) -> Tensor:
        """What the kernels see of values (b, T, F), the same shape."""
        if not self.difference_:
            return values
        return torch.diff(values, dim=1, prepend=values[:, :1])

    def _groups(self) -> tuple[Group, ...]:
        return _grouped(tuple(self.dilations_.tolist()), tuple(self.smoothed_.tolist()))

    def _responses(self, values: Tensor, patch: int) -> Tensor:
        """Robust, pooled responses (b, S, D) of values (b, T, F), not yet scaled."""
        return self._bank(values.device).pooled([self._seen(values)], patch)

    def _bank(self, device: torch.device) -> Bank:
        return Bank(
            sent(self.weights_, device),
            self._groups(),
            sent(self.thresholds_, device),
            sent(self.edges_, device) if self.response == "rank" else None,
        )

    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        return self._place(self._responses(values, patch)).unsqueeze(2)

    @property
    def joins(self) -> Hashable:
        """Of kernels with the same form, which cut a series into the same steps. As every second
        one gives a share, there must be an even number of them; and their responses begin a line
        of the processor's cache."""
        if not self.sphere or len(self.weights_) % LINE:
            return None
        form = tuple(self.weights_.shape), tuple(self.edges_.shape), self.response
        return (self.name, *form, self.patch_, self.max_steps_)

    def joined(self, others: Sequence[Tokenizer], vocabulary: Vocabulary) -> Joined:
        """Their kernels see a series together."""
        every = [self, *(one for one in others if isinstance(one, Kernels))]
        seen = {one.difference_: one._seen for one in every}
        views, device = list(seen), vocabulary.device
        return JoinedKernels(
            patch_length=self.patch_length,
            views=tuple(seen.values()),
            bank=joined_banks(
                [one._bank(device) for one in every],
                [views.index(one.difference_) for one in every],
            ),
            sphere=Sphere.of(every, device),
        )


@lru_cache(maxsize=64)
def _grouped(dilations: tuple[int, ...], smoothed: tuple[bool, ...]) -> tuple[Group, ...]:
    """Which kernels are convolved together: those with one dilation, smoothed or not."""
    groups, start = [], 0
    for (dilation, smooth), alike in groupby(zip(dilations, smoothed, strict=True)):
        stop = start + len(list(alike))
        groups.append(Group(start, stop, dilation, smooth))
        start = stop
    return tuple(groups)
