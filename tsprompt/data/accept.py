"""What a user hands in becomes `Cases`, or is refused with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data.cases import Cases
from tsprompt.data.numbers import is_tensor, number_array
from tsprompt.errors import InputError

__all__ = ["as_cases"]


def as_cases(X: object, *, argument: str = "X") -> Cases:
    """Validate what a user hands in and hold it as `Cases`.

    Parameters
    ----------
    X
        An array (B, T, F) of numbers, or a sequence of B arrays (T_i, F) of different lengths.
    argument
        The name to use in messages.

    Raises
    ------
    InputError
        Empty, not numeric, not three-dimensional, or with differing feature counts.
    """
    if isinstance(X, Cases):
        _check(X, argument)
        return X
    if is_tensor(X) or (isinstance(X, np.ndarray) and X.dtype != object):
        cases = _from_array(X, argument)
    elif isinstance(X, Sequence) or (isinstance(X, np.ndarray) and X.dtype == object):
        cases = _from_sequence(X, argument)
    else:
        raise InputError(
            f"{argument} is a {type(X).__name__}; give a float array of shape "
            "(cases, timesteps, features) or a list of (timesteps, features) arrays"
        )
    _check(cases, argument)
    return cases


def _from_array(X: Any, argument: str) -> Cases:
    if X.ndim != 3:
        hint = f"; for one feature write {argument}[:, :, None]" if X.ndim == 2 else ""
        raise InputError(
            f"{argument} has shape {tuple(X.shape)}; it must be (cases, timesteps, features){hint}"
        )
    return Cases(number_array(X, argument))


def _from_sequence(X: Sequence[Any] | npt.NDArray[Any], argument: str) -> Cases:
    series = []
    for i, one in enumerate(X):
        values = number_array(one, f"{argument}[{i}]")
        if values.ndim != 2:
            hint = f"; for one feature write {argument}[{i}][:, None]" if values.ndim == 1 else ""
            raise InputError(
                f"{argument}[{i}] has shape {values.shape}; "
                f"each case must be (timesteps, features){hint}"
            )
        series.append(values)
    return Cases(series)


def _check(cases: Cases, argument: str) -> None:
    if len(cases) == 0:
        raise InputError(f"{argument} holds no cases; at least one is needed")
    features = cases.n_features
    for i, one in enumerate(cases):
        if one.shape[1] != features:
            raise InputError(
                f"{argument}[{i}] has {one.shape[1]} features, {argument}[0] has {features}; "
                "all cases need the same"
            )
        if one.shape[0] == 0:
            raise InputError(f"{argument}[{i}] has no timesteps; remove the case")
    if features == 0:
        raise InputError(f"{argument} has no features; each timestep needs at least one value")
