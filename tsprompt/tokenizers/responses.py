"""Responses of many random kernels, made robust and pooled while they are in the processor's cache.

A block of cases lies with its timesteps before its cases, and the timesteps of a patch apart: so
all that follows the convolution runs over long rows, whatever a patch is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Bank", "Group", "smooth"]

_HELD = 1 << 20
"""Responses held at once on a processor, in numbers: they stay in its cache."""
_HELD_BY_DEVICE = 1 << 26
"""The same on other devices, which are faster the more they are given at once."""
_TIMESTEPS = 1 << 14
"""Timesteps of all cases of a block, of which `_HELD` holds enough kernels to multiply well."""
_LEAST_CASES = 16
"""Cases that lie side by side in a block, where there are as many: fewer are slow to copy."""
_LEAST_KERNELS = 16
"""Kernels that are convolved together, where a dilation has as many."""


class Group(NamedTuple):
    """Kernels that are convolved together."""

    start: int
    stop: int
    dilation: int
    smoothed: bool
    """Whether they see moving averages."""


@dataclass(frozen=True)
class Bank:
    """D kernels, and against what their responses are held, on one device."""

    weights: Tensor
    """(D, F, L)"""
    groups: tuple[Group, ...]
    thresholds: Tensor
    """(D,) for even kernels: the share of a patch that lies above is what they give."""
    edges: Tensor | None
    """(D, E) for odd kernels: how many lie below the largest response is what they give; None: the
    largest response itself."""

    def pooled(self, values: Tensor, patch: int) -> Tensor:
        """What the kernels give (b, S, D) of values (b, T, F), for patches of so many timesteps."""
        if torch.compiler.is_exporting():  # a graph has no loop over cases, nor a cache to stay in
            return self._as_graph(values.transpose(1, 2), patch).transpose(1, 2)
        rows = _Rows.of(values, patch)
        done = values.new_empty(len(values), rows.steps, len(self.weights))
        on_processor = values.device.type == "cpu"
        timesteps = _TIMESTEPS if on_processor else _HELD_BY_DEVICE // len(self.weights)
        cases = min(max(_LEAST_CASES, timesteps // rows.padded), max(1, len(values)))
        held = (_HELD if on_processor else _HELD_BY_DEVICE) // (rows.padded * cases)
        runs = _runs(self.groups, max(_LEAST_KERNELS, held))
        for block, into in zip(values.split(cases), done.split(cases), strict=True):
            self._pool_block(block.permute(2, 1, 0).contiguous(), rows, runs, into)
        return done

    def _pool_block(
        self, values: Tensor, rows: _Rows, runs: tuple[tuple[Group, ...], ...], into: Tensor
    ) -> None:
        """Write what the kernels give of values (F, T, b) into (b, S, D)."""
        cases = values.shape[2]
        pooled = values.new_empty(len(self.weights), rows.steps * cases)
        widest = max(run[-1].stop - run[0].start for run in runs)
        room = values.new_empty(widest * rows.padded * cases)
        windows = values.new_empty(self.weights[0].numel(), rows.padded * cases)
        smoothed: dict[int, Tensor] = {}
        for run in runs:
            start, stop = run[0].start, run[-1].stop
            responses = room[: (stop - start) * windows.shape[1]].view(stop - start, -1)
            for group in run:
                seen = values
                if group.smoothed:
                    if group.dilation not in smoothed:
                        smoothed = {group.dilation: smooth(values, group.dilation)}
                    seen = smoothed[group.dilation]
                self._convolve(group, seen, rows, windows, responses[group.start - start :])
            self._pool(start, responses, rows, pooled[start:stop])
        into.copy_(pooled.T.contiguous().view(rows.steps, cases, -1).transpose(0, 1))

    def _convolve(
        self, group: Group, seen: Tensor, rows: _Rows, windows: Tensor, into: Tensor
    ) -> None:
        """Write responses of a group's kernels to what they see (F, T, b) into (>= D', n)."""
        features, length = self.weights.shape[1:]
        index = rows.windows(group.dilation, length)
        torch.index_select(seen, 1, index, out=windows.view(features, len(index), -1))
        weights = self.weights[group.start : group.stop].flatten(1)
        torch.mm(weights, windows, out=into[: group.stop - group.start])

    def _pool(self, start: int, responses: Tensor, rows: _Rows, into: Tensor) -> None:
        """Pool responses (D', patch * S * b) of the kernels from `start` on into (D', S * b); the
        responses are lost."""
        count, cases = len(into), into.shape[1] // rows.steps
        if rows.missing:
            ends = responses.view(count, rows.patch, rows.steps, cases)[:, -rows.missing :, -1]
            ends.fill_(-torch.inf)  # above nothing
        by_step = responses.view(count, rows.patch, -1)
        even, odd = start % 2, 1 - start % 2
        if even < count:
            own = by_step[even::2]
            own.gt_(self.thresholds[start + even : start + count : 2, None, None])
            shares = into[even::2]
            torch.sum(own, dim=1, out=shares)
            shares.view(-1, rows.steps, cases).div_(rows.counts[:, None])
        if odd < count:
            largest = by_step[odd::2].amax(dim=1)
            if self.edges is not None:
                # The bin of the largest response is the largest bin, and cheaper.
                largest = bins(largest, self.edges[start + odd : start + count : 2])
            into[odd::2] = largest

    def at(self, values: Tensor, cases: Tensor, timesteps: Tensor) -> Tensor:
        """Responses (D, n) to values (b, T, F), of these cases (n,) at these timesteps (n,)."""
        length = self.weights.shape[2]
        by_feature, done = values.permute(2, 1, 0).contiguous(), []
        for group in self.groups:
            seen = smooth(by_feature, group.dilation) if group.smoothed else by_feature
            at = timesteps + _taps(group.dilation, length)[:, None]
            windows = seen[:, at.clamp(0, values.shape[1] - 1), cases].flatten(0, 1)
            done.append(self.weights[group.start : group.stop].flatten(1) @ windows)
        return torch.cat(done)

    def _as_graph(self, values: Tensor, patch: int) -> Tensor:
        """The same as `pooled`, without blocks: (b, D, S) of values (b, F, T)."""
        patch, length = min(patch, values.shape[2]), self.weights.shape[2]
        done = []
        for group in self.groups:
            seen = values
            if group.smoothed:
                seen = functional.avg_pool1d(
                    _extend(values, group.dilation - 1), group.dilation, stride=1
                )
            weights = self.weights[group.start : group.stop]
            seen = _extend(seen, group.dilation * (length - 1))
            done.append(functional.conv1d(seen, weights, dilation=group.dilation))
        responses = torch.cat(done, dim=1)
        above = (responses[:, 0::2] > self.thresholds[0::2, None]).to(responses.dtype)
        shares = functional.avg_pool1d(above, patch, ceil_mode=True, count_include_pad=False)
        largest = functional.max_pool1d(responses[:, 1::2], patch, ceil_mode=True)
        if self.edges is not None:
            ranks = largest[:, :, None] > self.edges[1::2, :, None]
            largest = ranks.to(responses.dtype).sum(dim=2)
        alternating = torch.arange(len(self.weights))
        order = alternating // 2 + (alternating % 2) * shares.shape[1]
        return torch.cat([shares, largest], dim=1)[:, order]


@dataclass(frozen=True)
class _Rows:
    """How the timesteps of a series are laid out: those that are j-th in their patch together."""

    timesteps: int
    patch: int
    device: torch.device

    @classmethod
    def of(cls, values: Tensor, patch: int) -> _Rows:
        """For values (b, T, F)."""
        return cls(values.shape[1], min(patch, values.shape[1]), values.device)

    @property
    def steps(self) -> int:
        """S."""
        return -(-self.timesteps // self.patch)

    @property
    def padded(self) -> int:
        """Timesteps, were the last patch as long as the others."""
        return self.steps * self.patch

    @property
    def missing(self) -> int:
        """By how many timesteps the last patch is shorter than the others."""
        return self.padded - self.timesteps

    @property
    def counts(self) -> Tensor:
        """(S,) timesteps of each patch."""
        return _counts(self)

    def windows(self, dilation: int, length: int) -> Tensor:
        """(L * patch * S,) timesteps under each weight of a kernel; the ends are repeated."""
        return _windows(self, dilation, length)


@lru_cache(maxsize=64)
def _counts(rows: _Rows) -> Tensor:
    counts = torch.full((rows.steps,), float(rows.patch), device=rows.device)
    counts[-1] -= rows.missing
    return counts


@lru_cache(maxsize=64)
def _windows(rows: _Rows, dilation: int, length: int) -> Tensor:
    order = torch.arange(rows.padded).view(rows.steps, rows.patch).T.flatten()
    at = (_taps(dilation, length)[:, None] + order).clamp(0, rows.timesteps - 1)
    return at.flatten().to(rows.device, torch.int32)


def _taps(dilation: int, length: int) -> Tensor:
    """(L,) which timesteps, counted from its own, a response is a sum over."""
    return dilation * torch.arange(length) - dilation * (length - 1) // 2


@lru_cache(maxsize=64)
def _runs(groups: tuple[Group, ...], kernels: int) -> tuple[tuple[Group, ...], ...]:
    """The groups, in runs of at most so many kernels; a larger group is divided."""
    runs: list[list[Group]] = [[]]
    for piece in _pieces(groups, kernels):
        if runs[-1] and piece.stop - runs[-1][0].start > kernels:
            runs.append([])
        runs[-1].append(piece)
    return tuple(map(tuple, runs))


def _pieces(groups: tuple[Group, ...], kernels: int) -> Iterator[Group]:
    for group in groups:
        for start in range(group.start, group.stop, kernels):
            yield group._replace(start=start, stop=min(start + kernels, group.stop))


def bins(responses: Tensor, edges: Tensor) -> Tensor:
    """How many of its kernel's edges (D', E) each of responses (D', n) lies above.

    Comparing with all edges takes a fifth of the time of a binary search in each.
    """
    each = max(1, _HELD // max(1, responses.numel()))
    above = responses.new_empty(min(each, edges.shape[1]), *responses.shape)
    found = torch.zeros_like(responses)
    for some in edges.T[:, :, None].split(each):
        found += torch.gt(responses, some, out=above[: len(some)]).sum(dim=0)
    return found


def smooth(values: Tensor, width: int) -> Tensor:
    """Moving averages of values (F, T, b), the same T; the ends are repeated."""
    timesteps = values.shape[1]
    reach = torch.arange(timesteps + width - 1, device=values.device) - (width - 1) // 2
    extended = values.index_select(1, reach.clamp(0, timesteps - 1))
    # Cases as channels that lie innermost: torch then adds up all of them at once.
    cases_inside = extended.unsqueeze(1).permute(0, 3, 1, 2)
    averages = functional.avg_pool2d(cases_inside, (1, width), stride=1)
    return averages.squeeze(2).transpose(1, 2).contiguous()


def _extend(values: Tensor, reach: int) -> Tensor:
    """Repeat the first and last timestep of values (b, F, T), `reach` times together."""
    return functional.pad(values, (reach // 2, reach - reach // 2), mode="replicate")
