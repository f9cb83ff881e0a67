"""Trees of tensors, arrays, numbers and texts as JSON with the tensors beside it, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["pack", "unpack"]


def pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Replace the tensors and arrays in a tree by their names, which tell where they stood."""
    import numpy as np
    import torch

    if isinstance(value, (torch.Tensor, np.ndarray)):
        kind = "array" if isinstance(value, np.ndarray) else "tensor"
        tensors[name] = torch.as_tensor(value).detach().cpu().contiguous().clone()
        return {kind: name}
    if isinstance(value, dict):
        return {"dict": {key: pack(one, f"{name}/{key}", tensors) for key, one in value.items()}}
    if isinstance(value, (list, tuple)):
        return [pack(one, f"{name}/{i}", tensors) for i, one in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def unpack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Put the tensors back. They are taken out of `tensors`: what is left belongs nowhere.

    Raises
    ------
    ValueError
        It is not what `pack` makes, or a tensor is missing.
    """
    if isinstance(value, list):
        return [unpack(one, f"{name}/{i}", tensors) for i, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"{name or '/'} is neither numbers nor names of tensors")
    ((kind, inside),) = value.items()
    if kind == "dict" and isinstance(inside, dict):
        return {key: unpack(one, f"{name}/{key}", tensors) for key, one in inside.items()}
    if kind not in ("tensor", "array") or inside != name or name not in tensors:
        raise ValueError(f"{name or '/'} has no tensor of its own")
    tensor = tensors.pop(name)
    return tensor.numpy() if kind == "array" else tensor
