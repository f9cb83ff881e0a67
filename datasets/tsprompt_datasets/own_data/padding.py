"""Series that end earlier than others, in arrays that are as long as the longest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["without_padding"]


def without_padding(values: npt.NDArray[Any]) -> Any:
    """Drop the timesteps at the end of each case at which all features are missing.

    Parameters
    ----------
    values
        (B, T, F)

    Returns
    -------
    One array (B, T, F) where all end at once, else B arrays (T_i, F); a case that is wholly missing
    keeps one timestep.
    """
    if values.dtype.kind != "f" or not np.isnan(values[:, -1]).all(axis=1).any():
        return values
    held: npt.NDArray[np.bool_] = np.logical_not(np.isnan(values).all(axis=2))
    steps = values.shape[1]
    lengths = np.where(np.any(held, axis=1), steps - held[:, ::-1].argmax(axis=1), 1)
    if (lengths == lengths[0]).all():
        return np.ascontiguousarray(values[:, : lengths[0]])
    return [one[:length] for one, length in zip(values, lengths, strict=True)]
