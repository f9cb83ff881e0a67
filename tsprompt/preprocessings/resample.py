"""Series of another length, by interpolation."""

from __future__ import annotations

import numpy as np

from tsprompt.data import Values

__all__ = ["resample"]


def resample(values: Values, length: int) -> Values:
    """Bring (B, T, F) to (B, length, F) by linear interpolation between first and last timestep."""
    timesteps = values.shape[1]
    if timesteps == length:
        return values
    position = np.linspace(0, timesteps - 1, length)
    left = np.minimum(position.astype(np.intp), max(timesteps - 2, 0))
    right = np.minimum(left + 1, timesteps - 1)
    weight = (position - left).astype(values.dtype)[None, :, None]
    return np.asarray(values[:, left] * (1 - weight) + values[:, right] * weight, values.dtype)
