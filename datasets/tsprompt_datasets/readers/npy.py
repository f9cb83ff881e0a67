"""NumPy's .npy format: (B, T, F) numbers, or (B, T) for one feature. It has no labels."""

from __future__ import annotations

import io
import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases
from tsprompt.errors import DatasetError
from tsprompt_datasets.readers.collector import SeriesFile
from tsprompt_datasets.readers.lines import brief, shown

__all__ = ["array_of", "read"]

_MAGIC = b"\x93NUMPY"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read(name: str, data: bytes) -> SeriesFile:
    """Parse the bytes of the .npy file called `name`.

    Raises
    ------
    DatasetError
        Not a .npy file of numbers, of another shape, empty, or with infinite values.
    """
    array = array_of(name, data)
    if array.ndim not in (2, 3):
        raise _error(
            name,
            f"has shape {array.shape}; it must be (cases, timesteps, features) or "
            "(cases, timesteps)",
        )
    if array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    if np.isinf(array).any():
        raise _error(name, "holds infinite values; rescale them, or use NaN for missing ones")
    return SeriesFile(Cases(array if array.ndim == 3 else array[:, :, None]), None)


def array_of(name: str, data: bytes) -> npt.NDArray[Any]:
    """The array of numbers that a .npy file holds, as a view of its bytes.

    The header is checked before anything is made in its size, and an array of Python objects is
    refused: it would be pickled, and a pickle can run any code.

    Raises
    ------
    DatasetError
        Not a .npy file, or not of numbers, or not as long as its header says.
    """
    if not data.startswith(_MAGIC):
        raise _error(name, "is not a .npy file; write it with numpy.save")
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    except Exception:  # a damaged header fails in whichever way Python's parser does
        raise _error(name, "is a .npy file with a damaged header; write it again") from None
    if dtype.kind not in "fiub":
        raise _error(name, "does not hold one array of numbers; save one as float64")
    if not all(type(size) is int and size > 0 for size in shape):
        raise _error(name, f"has shape {shown(str(shape))}; none of the sizes may be 0")
    held, promised = len(data) - file.tell(), math.prod(shape) * dtype.itemsize
    if held != promised:
        raise _error(
            name,
            f"holds {held:,} bytes where its header promises shape {shown(str(shape))}; "
            "the file is truncated or corrupt: fetch it again",
        )
    flat = np.frombuffer(data, dtype, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _error(name: str, what: str) -> DatasetError:
    return DatasetError(f"{brief(name)}: {what}")
