"""Cases that each keep their own number of timesteps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.errors import InputError

__all__ = ["Cases", "FloatArray", "IntArray", "Values"]

FloatArray = npt.NDArray[np.float32]
Values = npt.NDArray[Any]
"""Numbers as they came: float64 where 32 bits might lose a digit of them."""
IntArray = npt.NDArray[np.intp]


class Cases(Sequence[Values]):
    """B series of shape (T_i, F); missing values are NaN.

    They are float32 where they come so, or as something that 32 bits hold, and else float64.
    Equal lengths are held as one (B, T, F) block, so that nothing is copied case by case.

    Parameters
    ----------
    series
        An array (B, T, F), or B arrays (T_i, F). What is masked in a masked array is missing.
    ids
        (B,) names of the cases; None where they have none.
    features
        (F,) names of the features; None where they have none.

    Raises
    ------
    InputError
        There is not one name for each case or feature, or two features share one.
    """

    def __init__(
        self,
        series: npt.NDArray[Any] | Sequence[npt.NDArray[Any]],
        *,
        ids: Sequence[Any] | npt.NDArray[Any] | None = None,
        features: Sequence[str] | None = None,
    ) -> None:
        self._block: Values | None = None
        if isinstance(series, np.ndarray):
            self._block = _values(series, _precision([series]))
            self._series: list[Values] = list(self._block)
        else:
            precision = _precision(series)
            self._series = [_values(one, precision) for one in series]
            if self._series and len({one.shape for one in self._series}) == 1:
                self._block = np.stack(self._series)
                self._series = list(self._block)
        self._ids = None if ids is None else tuple(getattr(ids, "tolist", lambda: ids)())
        self._features = None if features is None else tuple(map(str, features))
        self._check_names()

    @classmethod
    def joined(cls, *parts: Cases) -> Cases:
        """The cases of all parts, one part after the other. Names stay where all parts have them,
        those of features where they are the same in all."""
        ids = [part.ids for part in parts]
        features = {part.features for part in parts}
        return cls(
            [one for part in parts for one in part],
            ids=None if None in ids else [one for names in ids for one in names or ()],
            features=features.pop() if len(features) == 1 else None,
        )

    def _check_names(self) -> None:
        if self._ids is not None and len(self._ids) != len(self):
            raise InputError(f"there are {len(self._ids)} names for {len(self)} cases")
        names = self._features
        if names is None or not len(self):
            return
        if len(names) != self.n_features:
            raise InputError(f"there are {len(names)} names for {self.n_features} features")
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"two features are called {twice!r}; each needs a name of its own")

    def __len__(self) -> int:
        return len(self._series)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            return self._series[index]
        return self.take(np.arange(len(self))[index])

    def __iter__(self) -> Iterator[Values]:
        return iter(self._series)

    def take(self, index: npt.ArrayLike) -> Cases:
        """The cases at these positions, in this order."""
        index = np.asarray(index, dtype=np.intp)
        ids = None if self._ids is None else [self._ids[i] for i in index]
        taken = [self._series[i] for i in index] if self._block is None else self._block[index]
        return Cases(taken, ids=ids, features=self._features)

    def map(self, change: Callable[[Any], Values]) -> Cases:
        """The cases that `change` makes of values (b, T, F) of one length; their features keep
        their names, unless it makes more or fewer of them."""
        if self._block is not None:
            made = Cases(change(self._block), ids=self._ids)
        else:
            made = Cases([change(one[None])[0] for one in self._series], ids=self._ids)
        if made.n_features == self.n_features:
            made._features = self._features
        return made

    def renamed(self, like: Cases) -> Cases:
        """The same cases under the names that the cases `like` have."""
        return Cases(
            self._series if self._block is None else self._block,
            ids=like.ids,
            features=like.features,
        )

    @property
    def ids(self) -> tuple[Any, ...] | None:
        """(B,) names of the cases, as they came; None where they have none."""
        return self._ids

    @property
    def features(self) -> tuple[str, ...] | None:
        """(F,) names of the features; None where they have none."""
        return self._features

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._series[0].dtype if self._series else np.dtype(np.float32)

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

    def groups(self) -> Iterator[tuple[IntArray, Any]]:
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


def _precision(series: Sequence[npt.NDArray[Any]]) -> type[np.float32] | type[np.float64]:
    """What holds all of these numbers: 32 bits where they are enough."""
    kinds = {one.dtype for one in map(np.asanyarray, series)}
    wide = np.result_type(np.float32, *kinds)
    return np.float32 if wide == np.float32 else np.float64


def _values(series: npt.NDArray[Any], precision: type[np.floating[Any]]) -> Any:
    """The same numbers, side by side in memory; what is masked is NaN."""
    if isinstance(series, np.ma.MaskedArray):
        series = np.ma.filled(series.astype(precision), np.nan)
    return np.ascontiguousarray(series, dtype=precision)
