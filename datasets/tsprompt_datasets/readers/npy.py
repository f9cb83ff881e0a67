"""NumPy's .npy format: (B, T, F) numbers, or (B, T) for one feature. It has no labels."""

from __future__ import annotations

import io

import numpy as np

from tsprompt.data import Cases
from tsprompt.errors import DatasetError
from tsprompt_datasets.readers.common import SeriesFile

__all__ = ["read"]


def read(name: str, data: bytes) -> SeriesFile:
    """Parse the bytes of the .npy file called `name`.

    Raises
    ------
    DatasetError
        Not a .npy file of numbers, of another shape, empty, or with values beyond 32 bits.
    """
    try:
        # Python objects would be pickled, and a pickle can run any code: never read one.
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise DatasetError(
            f"{name}: not a .npy file of numbers ({error}); write it again with numpy.save"
        ) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise DatasetError(f"{name}: does not hold one array of numbers; save one as float32")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DatasetError(
            f"{name}: has shape {array.shape}; it must be (cases, timesteps, features) or "
            "(cases, timesteps), none of them 0"
        )
    if (np.abs(array.astype(np.float64)) > np.finfo(np.float32).max).any():
        raise DatasetError(f"{name}: holds values beyond 32-bit floats; rescale them or use NaN")
    return SeriesFile(Cases(array if array.ndim == 3 else array[:, :, None]), None)
