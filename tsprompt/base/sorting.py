"""Sorting, as fast as the device can."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["sort_rows"]


def sort_rows(rows: Tensor) -> Tensor:
    """Each row of (n, m), in ascending order; on a processor NumPy's vectorised sort is faster."""
    if rows.device.type == "cpu":
        return torch.from_numpy(np.sort(rows.numpy(), axis=1))
    return rows.sort(dim=1).values
