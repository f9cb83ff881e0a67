"""Responses of many random kernels, made robust and pooled while they are in the processor's cache.

A block of cases lies with its timesteps before its cases, and the timesteps of a patch apart: so
all that follows the convolution runs over long rows, whatever a patch is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.accelerator import sent

__all__ = ["LINE", "Bank", "Group", "bins"]

_HELD = 1 << 20
"""Responses held at once on a processor, in numbers: they stay in its cache."""
_HELD_BY_DEVICE = 1 << 26
"""The same on other devices, which are faster the more they are given at once."""
_COMPARED = 1 << 19
"""Comparisons with edges that are held at once, in numbers."""
_TIMESTEPS = 1 << 14
"""Timesteps of all cases of a block, of which `_HELD` holds enough kernels to multiply well."""
_COPIES = 4
"""Times as many numbers as responses are copied out of the series at most, unless one case takes
more: each timestep as often as a kernel has weights, for each feature."""
_LEAST_CASES = 16
"""Cases that lie side by side in a block, where there are as many: fewer are slow to copy."""
_LEAST_KERNELS = 16
"""Kernels that are convolved together, where a dilation has as many."""
_BUNDLE = 1 << 16
"""Numbers up to which groups are copied out of the series together: what few cases take is less
than each further call."""


LINE = 16
"""Numbers in a line of the processor's cache."""


class Group(NamedTuple):
    """Kernels that are convolved together."""

    start: int
    stop: int
    dilation: int
    smoothed: bool
    """Whether they see moving averages."""
    view: int = 0
    """Which of the views of a series they see: it as it is, or its differences."""


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

    def pooled(self, views: Sequence[Tensor], patch: int) -> Tensor:
        """What the kernels give (b, S, D) of the views (b, T, F) of cases, for patches of so many
        timesteps."""
        if torch.compiler.is_exporting():  # a graph has no loop over cases, nor a cache to stay in
            (values,) = views
            return self._as_graph(values.transpose(1, 2), patch).transpose(1, 2)
        values = views[0] if len(views) == 1 else torch.cat(list(views), dim=2)
        rows = _Rows(values.shape[1], min(patch, values.shape[1]), values.device)
        weights, wide = self.weights.flatten(1), len(views) * self.weights[0].numel()
        on_processor = values.device.type == "cpu"
        held = _HELD if on_processor else _HELD_BY_DEVICE
        timesteps = _TIMESTEPS if on_processor else held // len(weights)
        most = max(1, _COPIES * held // (wide * rows.padded))
        cases = min(max(_LEAST_CASES, timesteps // rows.padded), most, max(1, len(values)))
        kernels = min(max(_LEAST_KERNELS, held // (rows.padded * cases)), len(weights))
        together = max(1, _BUNDLE // (wide * rows.padded * cases))
        together = 1 << together.bit_length() - 1  # so that few plans are made
        plan = _planned(rows, self.groups, tuple(self.weights.shape[1:]), kernels, together)
        blocks = [
            self._pool_block(block.permute(2, 1, 0).contiguous(), weights, plan)
            for block in values.split(cases)
        ]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks)

    def _pool_block(self, values: Tensor, weights: Tensor, plan: _Plan) -> Tensor:
        """What the kernels give (b, S, D) of values (V * F, T, b)."""
        rows, cases, views = plan.rows, values.shape[2], len(values) // self.weights.shape[1]
        pooled = values.new_empty(weights.shape[0], rows.steps * cases)
        room = values.new_empty(plan.widest * rows.padded * cases)
        copied = values.new_empty(views * plan.most_windows * cases)
        seen, of_group = _Seen(values), weights.split(plan.sizes)
        for run in plan.runs:
            responses = room[: (run.stop - run.start) * rows.padded * cases]
            responses = responses.view(run.stop - run.start, -1)
            into = responses.split(run.sizes)
            for bundle in run.bundles:
                source = seen.averages(bundle.smoothing) if bundle.smoothing else values
                windows = copied[: views * len(bundle.windows) * cases].view(views, -1, cases)
                torch.index_select(source.view(views, -1, cases), 1, bundle.windows, out=windows)
                # One matrix (F * L, patch * S * b) for each view and place.
                each = windows.view(views, bundle.places, -1, cases)[:, :, : plan.under]
                each = each.view(views, bundle.places, weights.shape[1], rows.padded * cases)
                matrices = [one.unbind() for one in each.unbind()]
                for number, view, place in bundle.groups:
                    torch.mm(of_group[number], matrices[view][place], out=into[number - run.first])
            self._pool(run.start, responses, plan, pooled[run.start : run.stop])
        by_step = pooled.T.contiguous().view(rows.steps, cases, -1)
        # Of a single case, `contiguous` would leave strides by which torch multiplies otherwise.
        return by_step.transpose(0, 1).flatten(0, 1).unflatten(0, (cases, -1))

    def _pool(self, start: int, responses: Tensor, plan: _Plan, into: Tensor) -> None:
        """Pool responses (D', patch * S * b) of the kernels from `start` on into (D', S * b); the
        responses are lost."""
        rows, count = plan.rows, into.shape[0]
        if rows.missing:
            ends = responses.view(count, rows.patch, rows.steps, -1)[:, -rows.missing :, -1]
            ends.fill_(-torch.inf)  # above nothing
        by_step = responses.view(count, rows.patch, -1)
        even, odd = start % 2, 1 - start % 2
        if even < count:
            own = by_step[even::2]
            own.gt_(self.thresholds[start + even : start + count : 2, None, None])
            shares = into[even::2]
            torch.sum(own, dim=1, out=shares)
            shares.view(shares.shape[0], rows.steps, -1).div_(plan.counts)
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
            seen = by_feature
            if group.smoothed:
                below = _Rows(values.shape[1], 1, values.device)
                seen = _averages(seen, _smoothing(below, (group.dilation,)))
            at = timesteps + _taps(group.dilation, length)
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


class _Rows(NamedTuple):
    """How the timesteps of a series are laid out: those that are j-th in their patch together."""

    timesteps: int
    patch: int
    device: torch.device

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


class _Smoothing(NamedTuple):
    """Moving averages of several widths."""

    widths: tuple[int, ...]
    below: Tensor
    """(sum of T + width - 1,) the timesteps that they are taken of, for one width after the other;
    the ends are repeated."""
    sizes: tuple[int, ...]
    """T + width - 1 of each."""


class _Bundle(NamedTuple):
    """Groups whose timesteps are copied out of the series together: all see the series, or all see
    moving averages of it."""

    groups: tuple[tuple[int, int, int], ...]
    """Which of all groups of the plan, the view that each sees, and its place among the windows."""
    places: int
    """How many dilations the windows are of."""
    windows: Tensor
    """(places * F * L * patch * S,) the timesteps under each weight of a kernel, counted through
    the features; the ends are repeated. Of moving averages, those of the next dilation stand T
    later. Those of each place are filled up to whole lines of the processor's cache: where a matrix
    begins in a line decides in which order its products are added up."""
    smoothing: _Smoothing | None


class _Run(NamedTuple):
    """Kernels whose responses are held at once."""

    first: int
    """The number of its first group."""
    start: int
    stop: int
    sizes: tuple[int, ...]
    """Kernels of each group."""
    bundles: tuple[_Bundle, ...]


class _Plan(NamedTuple):
    """All that does not depend on values."""

    rows: _Rows
    sizes: tuple[int, ...]
    """Kernels of each group."""
    runs: tuple[_Run, ...]
    widest: int
    """Kernels of the largest run."""
    under: int
    """F * L * patch * S, the numbers under the kernels of one dilation, of one case."""
    most_windows: int
    """Numbers that the largest bundle copies, of one view of one case."""
    counts: Tensor
    """(S, 1) timesteps of each patch."""


class _Seen:
    """What kernels see of values (F, T, b) besides these: the moving averages of late are kept."""

    def __init__(self, values: Tensor) -> None:
        self._values = values
        self._of: _Smoothing | None = None
        self._made = values

    def averages(self, smoothing: _Smoothing) -> Tensor:
        """(F, widths * T, b): those of one width after the other."""
        if self._of is not smoothing:
            self._of, self._made = smoothing, _averages(self._values, smoothing)
        return self._made


@lru_cache(maxsize=32)
def _planned(
    rows: _Rows, groups: tuple[Group, ...], shape: tuple[int, int], kernels: int, together: int
) -> _Plan:
    """The groups of kernels (F, L), in runs of at most so many; a larger group is divided. So many
    dilations of a run are copied together."""
    order = torch.arange(rows.padded).view(rows.steps, rows.patch).T.flatten()
    under = shape[0] * shape[1] * rows.padded
    fill = torch.zeros(-under % LINE, dtype=torch.int64)
    pieces = list(_pieces(groups, kernels))
    windows: dict[tuple[tuple[int, int], ...], Tensor] = {}
    smoothings: dict[tuple[int, ...], _Smoothing] = {}

    def bundled(dilations: tuple[int, ...], numbers: list[int]) -> _Bundle:
        smooth = pieces[numbers[0]].smoothed
        at = tuple((one, k * rows.timesteps * smooth) for k, one in enumerate(dilations))
        if at not in windows:
            features = torch.arange(shape[0])[:, None, None]
            features *= rows.timesteps * (len(dilations) if smooth else 1)
            each = [
                (_taps(dilation, shape[1]) + order).clamp(0, rows.timesteps - 1) + features + start
                for dilation, start in at
            ]
            filled = [part for one in each for part in (one.flatten(), fill)]
            windows[at] = sent(torch.cat(filled).to(torch.int32), rows.device)
        if smooth and dilations not in smoothings:
            smoothings[dilations] = _smoothing(rows, dilations)
        own = smoothings[dilations] if smooth else None
        placed = [(k, pieces[k].view, dilations.index(pieces[k].dilation)) for k in numbers]
        return _Bundle(tuple(placed), len(dilations), windows[at], own)

    def laid(run: list[int]) -> _Run:
        own = [pieces[number] for number in run]
        bundles: list[_Bundle] = []
        for smooth in (False, True):
            alike = [number for number in run if pieces[number].smoothed is smooth]
            dilations = list(dict.fromkeys(pieces[number].dilation for number in alike))
            for start in range(0, len(dilations), together):
                some = tuple(dilations[start : start + together])
                bundles.append(bundled(some, [k for k in alike if pieces[k].dilation in some]))
        sizes = tuple(one.stop - one.start for one in own)
        bundles.sort(key=lambda one: one.groups)
        return _Run(run[0], own[0].start, own[-1].stop, sizes, tuple(bundles))

    runs = tuple(map(laid, _runs(pieces, kernels)))
    counts = torch.full((rows.steps, 1), float(rows.patch), device=rows.device)
    counts[-1] -= rows.missing
    widest = max(run.stop - run.start for run in runs)
    most = max(len(bundle.windows) for run in runs for bundle in run.bundles)
    sizes = tuple(one.stop - one.start for one in pieces)
    return _Plan(rows, sizes, runs, widest, under, most, counts)


def _runs(pieces: list[Group], kernels: int) -> list[list[int]]:
    """Numbers of the groups that are held at once."""
    runs: list[list[int]] = [[]]
    for number, piece in enumerate(pieces):
        if runs[-1] and piece.stop - pieces[runs[-1][0]].start > kernels:
            runs.append([])
        runs[-1].append(number)
    return runs


def _pieces(groups: tuple[Group, ...], kernels: int) -> Iterator[Group]:
    for group in groups:
        for start in range(group.start, group.stop, kernels):
            yield group._replace(start=start, stop=min(start + kernels, group.stop))


def _taps(dilation: int, length: int) -> Tensor:
    """(L, 1) which timesteps, counted from its own, a response is a sum over."""
    return dilation * torch.arange(length)[:, None] - dilation * (length - 1) // 2


def _under_averages(timesteps: int, width: int) -> Tensor:
    """(T + width - 1,) the timesteps that moving averages are taken of."""
    return (torch.arange(timesteps + width - 1) - (width - 1) // 2).clamp(0, timesteps - 1)


def _smoothing(rows: _Rows, widths: tuple[int, ...]) -> _Smoothing:
    below = [_under_averages(rows.timesteps, width) for width in widths]
    joined = sent(torch.cat(below).to(torch.int32), rows.device)
    return _Smoothing(widths, joined, tuple(map(len, below)))


def bins(responses: Tensor, edges: Tensor) -> Tensor:
    """How many of its kernel's edges (D', E) each of responses (D', n) lies above.

    Comparing with all edges takes a fifth of the time of a binary search in each.
    """
    each = max(1, _COMPARED // max(1, responses.numel()))
    above = responses.new_empty(min(each, edges.shape[1]), *responses.shape)
    found = torch.zeros_like(responses)
    for some in edges.T[:, :, None].split(each):
        found += torch.gt(responses, some, out=above[: len(some)]).sum(dim=0)
    return found


def _averages(values: Tensor, smoothing: _Smoothing) -> Tensor:
    """Moving averages (F, widths * T, b) of values (F, T, b), for one width after the other."""
    # Cases as channels that lie innermost: torch then adds up all of them at once.
    below = values.index_select(1, smoothing.below).unsqueeze(1).permute(0, 3, 1, 2)
    made = [
        functional.avg_pool2d(one, (1, width), stride=1)
        for one, width in zip(below.split(smoothing.sizes, dim=3), smoothing.widths, strict=True)
    ]
    whole = made[0] if len(made) == 1 else torch.cat(made, dim=3)
    return whole.squeeze(2).transpose(1, 2).contiguous()


def _extend(values: Tensor, reach: int) -> Tensor:
    """Repeat the first and last timestep of values (b, F, T), `reach` times together."""
    return functional.pad(values, (reach // 2, reach - reach // 2), mode="replicate")
