"""Kernels of several tokenizers, convolved together.

What few cases take is the time of calls more than of numbers: so the timesteps under the kernels
are copied once for all tokenizers, and what follows is done with the kernels of all. Each product
of matrices is the one that a tokenizer makes by itself, so that the tokens are the same, bit by
bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.base.true_float32 import true_float32
from tsprompt.tokenizers.responses import Bank

__all__ = ["JoinedKernels", "Sphere", "joined_banks"]


@dataclass(frozen=True)
class Sphere:
    """Where G tokenizers put their vectors, as `Embedder` says."""

    center: Tensor
    """(G, 1, 1, D), as `gain` and `directions`."""
    gain: Tensor
    directions: Tensor
    radius: Tensor
    """(G, 1, 1, 1), as its `square`."""
    square: Tensor

    @classmethod
    def of(cls, tokenizers: Sequence[Any], device: torch.device) -> Sphere:
        """Those of embedders that have one."""

        def stacked(each: Callable[[Any], Tensor]) -> Tensor:
            return sent(torch.stack([each(one) for one in tokenizers]), device)[:, None, None]

        return cls(
            center=stacked(lambda one: one.center_),
            gain=stacked(lambda one: one.gain_),
            directions=stacked(lambda one: one.direction_),
            radius=stacked(lambda one: torch.tensor([one.radius_])),
            square=stacked(lambda one: torch.tensor([one.radius_**2])),
        )

    def place(self, vectors: Tensor) -> Tensor:
        """Vectors (G, b, S, D) in the space of the words."""
        flat = (vectors - self.center).mul_(self.gain)
        flat -= flat.mean(dim=-1, keepdim=True)
        # One by one: a product of matrices would add up in another order.
        own = flat.flatten(1, 2).unbind(), self.directions.flatten(1).unbind()
        along = torch.stack([torch.mv(*one) for one in zip(*own, strict=True)])
        flat.addcmul_(along.view(*flat.shape[:-1], 1), self.directions, value=-1)
        norms = flat.norm(dim=-1, keepdim=True)
        flat *= (
            norms.clamp(min=1e-12).reciprocal().mul_(self.radius).clamp(max=1)
        )  # as torch divides
        missing = (self.square - norms.square()).clamp(min=0).sqrt()
        return flat.addcmul_(missing, self.directions)


@dataclass(frozen=True)
class JoinedKernels:
    """G tokenizers of D kernels each, on one device."""

    patch_length: Callable[[int], int]
    """Timesteps of a step, by those of a series."""
    views: tuple[Callable[[Tensor], Tensor], ...]
    """What kernels see of values (b, T, F): all that any of them sees."""
    bank: Bank
    """G * D kernels."""
    sphere: Sphere

    def __call__(self, values: Tensor) -> list[Tensor]:
        """The tokens (b, S, 1, D) of each, of values (b, T, F)."""
        with true_float32():
            seen = [view(values) for view in self.views]
            made = self.bank.pooled(seen, self.patch_length(values.shape[1]))
            each = made.unflatten(2, (len(self.sphere.center), -1)).permute(2, 0, 1, 3)
            return list(self.sphere.place(each.contiguous()).unsqueeze(3).unbind())


def joined_banks(banks: Sequence[Bank], views: Sequence[int]) -> Bank:
    """The kernels of all, one bank after the other; and which view each bank sees."""
    groups, start = [], 0
    for bank, view in zip(banks, views, strict=True):
        groups += [
            one._replace(start=start + one.start, stop=start + one.stop, view=view)
            for one in bank.groups
        ]
        start += len(bank.weights)
    edges = [one.edges for one in banks if one.edges is not None]
    return Bank(
        torch.cat([one.weights for one in banks]),
        tuple(groups),
        torch.cat([one.thresholds for one in banks]),
        torch.cat(edges) if edges else None,
    )
