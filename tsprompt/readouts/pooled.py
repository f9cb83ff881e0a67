"""Statistics over the data tokens."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Annotated, NotRequired

import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.accelerator import sent
from tsprompt.base.part import require, several
from tsprompt.base.sorting import sort_rows
from tsprompt.base.state import numbers
from tsprompt.readouts.base import Readout, readouts

__all__ = ["Pooled"]

_POOLS = ("mask", "mean", "std", "max", "min", "proportion", "segments")
_SAMPLE = 4_096
"""Tokens on which the quantiles of a layer are learned."""
_TINY = 1e-12
"""Added to variances of hidden states, whose entries are of the order of 1."""


@readouts.register("pooled")
@dataclass
class Pooled(Readout):
    """Statistics over the data tokens, for each layer and each entry of the hidden state."""

    first: int = 1
    """How many layers are read, from the first on, where `layers` does not say which."""
    pools: tuple[str, ...] = ("mean", "std")
    """`mean`, `std` (standard deviation), `max`, `min`; `proportion` of tokens above quantiles of
    train (soft); means of `segments` equal parts of the series; the `mask` itself."""
    maybe: tuple[str, ...] = ("segments",)
    """Further pools, which the head weighs by what train says: not all sets keep their phase."""
    levels: tuple[float, ...] = (0.2, 0.5, 0.8)
    """Quantiles for `proportion`."""
    segments: int = 4
    """Parts for `segments`."""

    class State(Readout.State):
        """What fitting has learned."""

        quantiles_: NotRequired[Annotated[Tensor, numbers("float32", "Q", "N", "H")]]
        sharpness_: NotRequired[Annotated[Tensor, numbers("float32", "N", "H", above=0)]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.pools, self.levels = several(self.pools), several(self.levels)
        self.maybe = several(self.maybe)
        require("mask" not in self.maybe, "pooled: the mask can be among pools, not among maybe")
        unknown = [pool for pool in self.pools + self.maybe if pool not in _POOLS]
        require(not unknown, f"pooled: {unknown} is not among: {', '.join(_POOLS)}")
        require(len(self.pools) > 0, "pooled: pools must name at least one")
        self.maybe = tuple(pool for pool in self.maybe if pool not in self.pools)
        require(
            len(self.levels) > 0 or "proportion" not in self.pools + self.maybe,
            "pooled: levels must name at least one for the pool proportion",
        )
        require(self.first >= 1, "pooled: first must be 1 or more")
        require(self.segments >= 1, "pooled: segments must be 1 or more")
        require(all(0 < level < 1 for level in self.levels), "pooled: levels lie in (0, 1)")

    @property
    def pools_as(self) -> Hashable:
        """By its options, unless it has learned quantiles."""
        every = self.pools + self.maybe
        return None if "proportion" in every else (self.name, every, self.segments)

    @property
    def reads_answer(self) -> bool:
        """Only as one of its pools."""
        return "mask" in self.pools

    @property
    def reads_data(self) -> bool:
        """All its pools but the mask do."""
        return {*self.pools, *self.maybe} != {"mask"}

    def default_layers(self, total: int) -> tuple[int, ...]:
        """The first ones."""
        return tuple(range(1, min(self.first, total) + 1))

    def fit(self, data: Tensor) -> Pooled:
        """Learn quantiles (levels, N', D) and how soft their edges are."""
        self.n_optional_ = sum(map(self._count, self.maybe)) * data.shape[1:].numel()
        if "proportion" in self.pools + self.maybe:
            # Evenly over all cases and steps, and with the tokens last: sorting is fastest there.
            kept = torch.linspace(0, len(data) - 1, min(len(data), _SAMPLE)).round().long()
            columns = data[kept.to(data.device)].flatten(1).T.contiguous()
            ordered = sort_rows(columns).unflatten(0, data.shape[1:])
            place = (torch.tensor(self.levels) * (ordered.shape[-1] - 1)).round().long()
            self.quantiles_ = ordered[..., place.to(data.device)].movedim(-1, 0).cpu()
            # An edge one tenth of the spread wide: steep, but equal for near-equal tokens.
            self.sharpness_ = (10 / ordered.std(dim=-1, correction=0).clamp(min=1e-6)).cpu()
        return self

    def pool(self, data: Tensor, mask: Tensor) -> Tensor:
        """(b, N' * D * number of statistics)."""
        parts: list[Tensor] = []
        for pool in self.pools + self.maybe:
            parts.extend(part.flatten(1) for part in getattr(self, f"_{pool}")(data, mask))
        return torch.cat(parts, dim=1)

    def divides(self, scope: str) -> bool:
        """Unless the mask is among the pools; of steps that are read alone it is the step."""
        return "mask" not in self.pools

    def divide(self, data: Tensor, mask: Tensor, mean: Tensor, weights: Tensor) -> Tensor:
        """Means and proportions are sums over the tokens; an extreme belongs to the token that has
        it, and of a standard deviation each token takes the share that it has of the variance."""
        shares = data.new_zeros(len(data), data.shape[2], weights.shape[1])
        start = 0
        for pool in self.pools + self.maybe:
            stop = start + self._count(pool) * data[0, :, 0].numel()
            size = self._count(pool), data.shape[1], data.shape[3]
            own, base = weights[start:stop], mean[start:stop]
            if pool == "segments":  # its parts stand behind the entries, not before
                own = own.unflatten(0, (*size[1:], size[0])).permute(2, 0, 1, 3)
                base = base.unflatten(0, (*size[1:], size[0])).permute(2, 0, 1)
            else:
                own, base = own.unflatten(0, size), base.unflatten(0, size)
            for number, (tokens, values, quota) in enumerate(self._divided(pool, data)):
                apart = values - quota * base[number][:, None]
                shares[:, tokens] += torch.einsum("bnkd,ndc->bkc", apart, own[number])
            start = stop
        return shares

    def _divided(self, pool: str, data: Tensor) -> Iterator[tuple[slice, Tensor, Tensor | float]]:
        """For each statistic of a pool: the tokens that it is a sum over, what each of them adds
        (b, N', K', D), and which part of the whole is its own."""
        every, count = slice(None), data.shape[2]
        if pool == "mean":
            yield every, data / count, 1 / count
        elif pool == "std":
            apart = data - data.mean(dim=2, keepdim=True)
            spread = (apart.square().mean(dim=2, keepdim=True) + _TINY).sqrt()
            yield every, apart.square() / (count * spread), 1 / count
        elif pool in ("max", "min"):
            at = data.argmax(dim=2) if pool == "max" else data.argmin(dim=2)
            attained = functional.one_hot(at, count).movedim(-1, 2).to(data.dtype)
            yield every, attained * data, attained
        elif pool == "proportion":
            sharp = sent(self.sharpness_, data.device)[:, None]
            for quantile in sent(self.quantiles_, data.device):
                above = ((data - quantile[:, None]) * sharp + 0.5).clamp(0, 1)
                yield every, above / count, 1 / count
        else:
            for number in range(self.segments):  # the bounds of adaptive_avg_pool1d
                stop = -(-(number + 1) * count // self.segments)
                part = slice(number * count // self.segments, stop)
                size = part.stop - part.start
                yield part, data[:, :, part] / size, 1 / size

    def _count(self, pool: str) -> int:
        """How many statistics a pool has."""
        return {"segments": self.segments, "proportion": len(self.levels)}.get(pool, 1)

    def _mask(self, data: Tensor, mask: Tensor) -> list[Tensor]:
        return [mask]

    def _mean(self, data: Tensor, mask: Tensor) -> list[Tensor]:
        return [data.mean(dim=2)]

    def _std(self, data: Tensor, mask: Tensor) -> list[Tensor]:
        # Where all tokens are the same, the root alone would have no gradient.
        apart = data - data.mean(dim=2, keepdim=True)  # torch's var takes twenty times as long
        return [(apart.square().mean(dim=2) + _TINY).sqrt()]

    def _max(self, data: Tensor, mask: Tensor) -> list[Tensor]:
        return [data.amax(dim=2)]

    def _min(self, data: Tensor, mask: Tensor) -> list[Tensor]:
        return [data.amin(dim=2)]

    def _proportion(self, data: Tensor, mask: Tensor) -> list[Tensor]:
        sharp = sent(self.sharpness_, data.device)[:, None]
        return [
            ((data - quantile[:, None]) * sharp + 0.5).clamp_(0, 1).mean(dim=2)
            for quantile in sent(self.quantiles_, data.device)
        ]

    def _segments(self, data: Tensor, mask: Tensor) -> list[Tensor]:
        by_token = data.transpose(2, 3).flatten(0, 1)
        return [
            functional.adaptive_avg_pool1d(by_token, self.segments).unflatten(0, data.shape[:2])
        ]
