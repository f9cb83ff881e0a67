"""Numbers as people hold them: arrays, lists, tensors, masked arrays, and gaps of all spellings."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.errors import InputError

__all__ = ["is_gap", "is_tensor", "number_array"]

_KINDS = {"c": "complex numbers", "U": "text", "S": "text", "M": "dates", "m": "spans of time"}
"""What NumPy's letters for types that are no real numbers stand for."""


def number_array(values: Any, place: str) -> npt.NDArray[Any]:
    """An array of real numbers; what is masked, None or pandas' NA is NaN. `place` is what errors
    call it.

    Raises
    ------
    InputError
        It holds complex numbers, text, dates or anything else that is no real number, or its rows
        are not equally long.
    """
    try:
        array = _array(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{place} does not hold numbers: {error}") from None
    if array.dtype == object:
        array = _real_numbers(array, place)
    if array.dtype.kind not in "fiub":
        what = _KINDS.get(array.dtype.kind, str(array.dtype))
        raise InputError(f"{place} holds {what}, not numbers; convert it with .astype(float)")
    if isinstance(array, np.ma.MaskedArray):
        wide = np.result_type(array.dtype, np.float32)
        return np.asarray(np.ma.filled(array.astype(wide), np.nan))
    return array


def is_tensor(values: object) -> bool:
    """Whether this is a tensor of torch, which need not have been imported."""
    return type(values).__module__.partition(".")[0] == "torch" and hasattr(values, "detach")


def is_gap(value: object) -> bool:
    """Whether this stands for no value: None, NaN, NaT, or pandas' NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return True
    try:
        return bool(value != value)  # noqa: PLR0124  (what NaN and NaT of NumPy are known by)
    except (TypeError, ValueError):
        return False


def _array(values: Any) -> npt.NDArray[Any]:
    if is_tensor(values):
        values = values.detach().cpu()
        half = str(values.dtype) == "torch.bfloat16"  # which NumPy does not know
        return np.asarray((values.float() if half else values).numpy())
    if isinstance(values, (list, tuple)):
        kinds = {type(one): one for one in values}.values()  # one of each: there may be thousands
        if any(map(is_tensor, kinds)):
            return np.stack([_array(one) for one in values])
        if any(isinstance(one, np.ma.MaskedArray) for one in kinds):
            return np.ma.stack([np.ma.asarray(one) for one in values])
    return np.asanyarray(values)


def _real_numbers(array: npt.NDArray[Any], place: str) -> npt.NDArray[np.float64]:
    """An array of Python objects as numbers."""
    numbers = np.empty(array.shape)
    for index, value in np.ndenumerate(np.ma.filled(array, None)):
        if is_gap(value):
            numbers[index] = np.nan
        elif isinstance(value, (Real, Decimal)):
            numbers[index] = _float(value)
        else:
            where = "".join(f"[{i}]" for i in index)
            raise InputError(
                f"{place}{where} is {_shown(value)}, not a number; convert it, or write NaN for a "
                "missing value"
            )
    return numbers


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # of an integer: too large, as 1e999 is
        return math.inf if value > 0 else -math.inf


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
