"""What a user hands in becomes `Cases`, or is refused with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data.cases import Cases
from tsprompt.data.frames import from_frame, from_frames, is_frame
from tsprompt.data.loaders import is_loader, load_all
from tsprompt.data.numbers import is_tensor, number_array
from tsprompt.errors import ConfigError, InputError, counted

__all__ = ["AXES", "as_cases", "by_position"]

AXES = ("BTF", "BFT")
"""Orders of axes: cases, timesteps, features, or cases, features (channels), timesteps."""


def as_cases(X: object, *, argument: str = "X", axes: str = "BTF") -> Cases:
    """Validate what a user hands in and hold it as `Cases`.

    Parameters
    ----------
    X
        Numbers (B, T, F), or (B, T) of one feature, as an array, nested lists or a tensor; a
        sequence of B arrays (T_i, F) or (T_i,) of different lengths; or a panel of sktime
        (`pd-multiindex`, `df-list`, `nested_univ`); or a `DataLoader` or `Dataset` of PyTorch,
        whose labels are left aside.
    argument
        The name to use in messages.
    axes
        The order of axes in arrays and lists of arrays; data frames say themselves what they hold.

    Raises
    ------
    InputError
        Empty, not numeric, of another shape, or with differing feature counts.
    ConfigError
        `axes` is no order of axes.
    """
    if axes not in AXES:
        raise ConfigError(f"axes={axes!r} is not one of: {', '.join(AXES)}")
    cases = _cases(X, argument, channels_first=axes == "BFT")
    _check(cases, argument)
    return cases


def by_position(X: object) -> bool:
    """Whether nothing but its position says what an axis is."""
    return not (isinstance(X, Cases) or is_frame(X) or _all_frames(X))


def _cases(X: Any, argument: str, *, channels_first: bool) -> Cases:
    if isinstance(X, Cases):
        return X
    if is_loader(X):
        X = load_all(X, argument).cases
    if is_frame(X):
        return from_frame(X, argument)
    if _all_frames(X):
        return from_frames(list(X), argument)
    ragged = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1
    if isinstance(X, Sequence) or ragged:
        return _from_sequence(X, argument, channels_first)
    if isinstance(X, np.ndarray) or is_tensor(X) or hasattr(X, "__array__"):
        return _from_array(number_array(X, argument), argument, channels_first)
    raise InputError(
        f"{argument} is a {type(X).__name__}; give a float array of shape "
        "(cases, timesteps, features) or a list of (timesteps, features) arrays"
    )


def _all_frames(X: object) -> bool:
    return isinstance(X, (list, tuple)) and len(X) > 0 and all(map(is_frame, X))


def _from_array(X: npt.NDArray[Any], argument: str, channels_first: bool) -> Cases:
    if X.ndim == 2:
        return Cases(X[:, :, None])
    if X.ndim != 3:
        raise InputError(
            f"{argument} has shape {X.shape}; it must be (cases, timesteps, features), or (cases, "
            "timesteps) for one feature"
        )
    return Cases(X.transpose(0, 2, 1) if channels_first else X)


def _from_sequence(
    X: Sequence[Any] | npt.NDArray[Any], argument: str, channels_first: bool
) -> Cases:
    if isinstance(X, (str, bytes)):
        raise InputError(f"{argument} is a text; read the file, and give its numbers")
    series = []
    for i, one in enumerate(X):
        values = number_array(one, f"{argument}[{i}]")
        if values.ndim == 1:
            values = values[:, None]
        elif values.ndim != 2:
            hint = f"; for one case write [{argument}]" if values.ndim == 0 else ""
            raise InputError(
                f"{argument}[{i}] has shape {values.shape}; each case must be (timesteps, "
                f"features), or (timesteps,) for one feature{hint}"
            )
        elif channels_first:
            values = values.T
        series.append(values)
    return Cases(series)


def _check(cases: Cases, argument: str) -> None:
    if len(cases) == 0:
        raise InputError(f"{argument} holds no cases; at least one is needed")
    features = cases.n_features
    # Of cases that are one block, the first says what all are like.
    for i, one in enumerate(cases[:1] if cases.equal_length else cases):
        if one.shape[1] != features:
            raise InputError(
                f"{argument}[{i}] has {counted(one.shape[1], 'feature')}, {argument}[0] has "
                f"{features}; all cases need the same"
            )
        if one.shape[0] == 0:
            raise InputError(f"{argument}[{i}] has no timesteps; remove the case")
    if features == 0:
        raise InputError(f"{argument} has no features; each timestep needs at least one value")
