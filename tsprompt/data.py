"""Series as the library holds them: cases that each keep their own number of timesteps.

Axis letters, used everywhere: B cases, T timesteps, F features (channels), S steps, W tokens of a
step, P prompt slots, L template positions, D the language model's hidden size, R readout features,
C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.errors import InputError

__all__ = ["Cases", "Dataset", "Split", "as_cases"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]


class Cases(Sequence[FloatArray]):
    """B series of shape (T_i, F), float32; missing values are NaN.

    Equal lengths are held as one (B, T, F) block, so that nothing is copied case by case.
    """

    def __init__(self, series: npt.NDArray[Any] | Sequence[npt.NDArray[Any]]) -> None:
        self._block: FloatArray | None = None
        if isinstance(series, np.ndarray):
            self._block = np.ascontiguousarray(series, dtype=np.float32)
            self._series: list[FloatArray] = list(self._block)
        else:
            self._series = [np.ascontiguousarray(one, dtype=np.float32) for one in series]
            if self._series and len({one.shape for one in self._series}) == 1:
                self._block = np.stack(self._series)
                self._series = list(self._block)

    def __len__(self) -> int:
        return len(self._series)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            return self._series[index]
        return self.take(np.arange(len(self))[index])

    def __iter__(self) -> Iterator[FloatArray]:
        return iter(self._series)

    def take(self, index: npt.ArrayLike) -> Cases:
        """The cases at these positions, in this order."""
        index = np.asarray(index, dtype=np.intp)
        if self._block is not None:
            return Cases(self._block[index])
        return Cases([self._series[i] for i in index])

    def map(self, change: Callable[[FloatArray], FloatArray]) -> Cases:
        """The cases that `change` makes of values (b, T, F) of one length."""
        if self._block is not None:
            return Cases(change(self._block))
        return Cases([change(one[None])[0] for one in self._series])

    @property
    def n_features(self) -> int:
        """F, the number of features (channels)."""
        return int(self._series[0].shape[1]) if self._series else 0

    @property
    def lengths(self) -> IntArray:
        """(B,) timesteps of each case."""
        return np.array([len(one) for one in self._series], dtype=np.intp)

    @property
    def equal_length(self) -> bool:
        """Whether all cases have the same number of timesteps."""
        return self._block is not None or not self._series

    @property
    def missing(self) -> int:
        """How many values are not finite."""
        return int(sum(np.count_nonzero(~np.isfinite(one)) for one in self._series))

    def groups(self) -> Iterator[tuple[IntArray, FloatArray]]:
        """Cases of equal length together: (positions (b,), values (b, T, F)), shortest first."""
        if self._block is not None:
            yield np.arange(len(self)), self._block
            return
        lengths = self.lengths
        for length in np.unique(lengths):
            index = np.flatnonzero(lengths == length)
            yield index, np.stack([self._series[i] for i in index])

    def __repr__(self) -> str:
        lengths = self.lengths
        span = f"{lengths.min()}" if self.equal_length else f"{lengths.min()} to {lengths.max()}"
        return f"Cases({len(self)} x {span} timesteps x {self.n_features} features)"


@dataclass(frozen=True)
class Split:
    """One part (train or test) of a data set."""

    cases: Cases
    """B series."""
    labels: npt.NDArray[np.str_]
    """(B,) class labels, as the file spells them."""

    def __len__(self) -> int:
        return len(self.cases)


@dataclass(frozen=True)
class Dataset:
    """A classification problem as its archive ships it: train and test kept apart."""

    name: str
    """The archive's name of it."""
    train: Split
    """What fitting may see."""
    test: Split
    """What is read once, at the end."""
    source: str
    """Where it was found: `bundled`, `data-dir` or `download`."""
    sha256: dict[str, str] = field(default_factory=dict)
    """File name -> hash of the file's bytes."""
    development: Split | None = None
    """Cases with labels for validation alone, where train was cut down to a few shots."""
    unlabelled: Cases | None = None
    """What was left of train then; the labels are gone."""

    @property
    def timesteps(self) -> int:
        """T of the longest case that a fit learns its scales from."""
        cases = self.train.cases if len(self.train) else self.unlabelled
        return int(cases.lengths.max()) if cases else 0

    @property
    def classes(self) -> list[str]:
        """Labels of train and test, in the order of their first appearance in train."""
        return list(dict.fromkeys([*self.train.labels.tolist(), *self.test.labels.tolist()]))


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
    if isinstance(X, np.ndarray) and X.dtype != object:
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


def _from_array(X: npt.NDArray[Any], argument: str) -> Cases:
    if X.ndim != 3:
        hint = f"; for one feature write {argument}[:, :, None]" if X.ndim == 2 else ""
        raise InputError(
            f"{argument} has shape {X.shape}; it must be (cases, timesteps, features){hint}"
        )
    if X.dtype.kind not in "fiub":
        raise InputError(f"{argument} holds {X.dtype}, not numbers; convert it with .astype(float)")
    return Cases(X)


def _from_sequence(X: Sequence[Any] | npt.NDArray[Any], argument: str) -> Cases:
    series = []
    for i, one in enumerate(X):
        try:
            values = np.asarray(one, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"{argument}[{i}] does not hold numbers: {error}") from None
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
