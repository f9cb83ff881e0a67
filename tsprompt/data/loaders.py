"""Data sets and loaders of PyTorch: cases, alone or with labels, some at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tsprompt.data.numbers import is_tensor
from tsprompt.errors import InputError

__all__ = ["Loaded", "is_loader", "load_all"]


class Loaded(NamedTuple):
    """What a loader gave, in its order."""

    cases: list[Any]
    """B series (T_i, F) or (T_i,), or with the axes as they came."""
    labels: list[Any] | None
    """B; None where there were none."""


def is_loader(X: object) -> bool:
    """Whether it is a `DataLoader` or a `Dataset` of PyTorch; whoever has one has imported it."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(X, (data.DataLoader, data.Dataset))


def load_all(loader: Any, argument: str = "X") -> Loaded:
    """Go once through a loader of batches, or through a data set of single cases.

    A batch is a tensor (b, T, F) or a list of b tensors (T_i, F), or a pair of that and b labels; a
    single case is (T, F), or a pair of that and its label.

    Raises
    ------
    InputError
        What comes is nothing of that kind, or only some of it has labels.
    """
    cases: list[Any] = []
    labels: list[Any] = []
    paired: set[bool] = set()
    collates = getattr(loader, "collate_fn", None)
    plain = collates is None or getattr(collates, "__name__", "") == "default_collate"
    for number, one in enumerate(_each(loader)):
        values, own = _pair(one, f"item {number} of {argument}", tuples=plain)
        paired.add(own is not None)
        if _has_batches(loader):
            values = list(values)
            own = None if own is None else _plain(own)
            if own is not None and len(own) != len(values):
                raise InputError(
                    f"item {number} of {argument} has {len(values)} cases and {len(own)} labels"
                )
            cases += values
            labels += own or []
        else:
            cases.append(values)
            labels += [] if own is None else _plain([own])
    if len(paired) > 1:
        raise InputError(f"some items of {argument} come with labels and others without")
    return Loaded(cases, labels if True in paired else None)


def _has_batches(loader: Any) -> bool:
    return getattr(loader, "batch_size", None) is not None or (
        getattr(loader, "batch_sampler", None) is not None
    )


def _each(loader: Any) -> Iterator[Any]:
    if hasattr(loader, "__iter__"):
        yield from loader
    else:  # a data set ends where it says, not by an error
        for number in range(len(loader)):
            yield loader[number]


def _pair(item: Any, where: str, *, tuples: bool) -> tuple[Any, Any]:
    """Values, and labels if there are any; `tuples`: lists stand for tuples, as torch makes
    them."""
    if isinstance(item, tuple) or (isinstance(item, list) and tuples) or _ends_in_labels(item):
        if len(item) in (1, 2) and _is_numbers(item[0]):
            return item[0], item[1] if len(item) == 2 else None
    elif _is_numbers(item):
        return item, None
    kind = type(item).__name__ + (f" of {len(item)}" if hasattr(item, "__len__") else "")
    raise InputError(
        f"{where} is a {kind}; it must be a tensor (b, T, F), a list of tensors (T, F), or a pair "
        "of that and labels (give the DataLoader a collate_fn that makes such pairs)"
    )


def _ends_in_labels(item: Any) -> bool:
    """Whether a list is a pair, and not two cases."""
    return isinstance(item, list) and len(item) == 2 and _axes(item[1]) < _axes(item[0])


def _axes(value: Any) -> int:
    if isinstance(value, (list, tuple)):
        return 1 + (_axes(value[0]) if len(value) else 0)
    return int(getattr(value, "ndim", 0))


def _is_numbers(value: Any) -> bool:
    many = isinstance(value, list) and len(value) > 0 and all(map(_is_numbers, value))
    return is_tensor(value) or isinstance(value, np.ndarray) or many


def _plain(labels: Any) -> list[Any]:
    """Labels as Python has them."""
    if is_tensor(labels) or isinstance(labels, np.ndarray):
        return list(labels.tolist())
    return [one.item() if is_tensor(one) or isinstance(one, np.generic) else one for one in labels]
