"""Cases that each keep their own number of timesteps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.errors import InputError, counted

__all__ = ["Cases", "FloatArray", "IntArray", "Values", "order_of"]

FloatArray = npt.NDArray[np.float32]
Values = npt.NDArray[Any]
"""Numbers as they came: float64 where 32 bits might lose a digit of them."""
IntArray = npt.NDArray[np.intp]

_CHUNK = 1 << 22
"""Numbers of a piece."""


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
    times
        (T,) names of the timesteps, where a table has a column for each; else None.

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
        times: Sequence[str] | None = None,
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
        self._times = None if times is None else tuple(map(str, times))
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
            raise InputError(
                f"{counted(len(self._ids), 'name')} for {counted(len(self), 'case')}: each needs "
                "one"
            )
        names = self._features
        if names is None or not len(self):
            return
        if len(names) != self.n_features:
            raise InputError(
                f"{counted(len(names), 'name')} for {counted(self.n_features, 'feature')}: each "
                "needs one"
            )
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
        return Cases(taken, ids=ids, features=self._features, times=self._times)

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

    def named(
        self, *, ids: Sequence[Any] | None = None, features: Sequence[str] | None = None
    ) -> Cases:
        """The same cases under other names, as far as they are given."""
        return Cases(
            self._series if self._block is None else self._block,
            ids=self._ids if ids is None else ids,
            features=self._features if features is None else features,
            times=self._times,
        )

    def select(self, features: Sequence[str], argument: str = "X") -> Cases:
        """The same cases with their features in this order; without names, as they are.

        Raises
        ------
        InputError
            They lack one of these features, or have one more.
        """
        if self._features is None or self._features == tuple(features):
            return self
        order = order_of(self._features, features, f"{argument}: column", "columns")
        return self.map(lambda values: values[:, :, order]).named(features=features)

    @property
    def ids(self) -> tuple[Any, ...] | None:
        """(B,) names of the cases, as they came; None where they have none."""
        return self._ids

    @property
    def features(self) -> tuple[str, ...] | None:
        """(F,) names of the features; None where they have none."""
        return self._features

    @property
    def times(self) -> tuple[str, ...] | None:
        """(T,) names of the timesteps, where a table has a column for each; else None."""
        return self._times

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
        return int(sum(np.count_nonzero(~np.isfinite(values)) for _, values in self.chunks()))

    def groups(self) -> Iterator[tuple[IntArray, Any]]:
        """Cases of equal length together: (positions (b,), values (b, T, F)), shortest first."""
        if self._block is not None:
            yield np.arange(len(self)), self._block
            return
        lengths = self.lengths
        for length in np.unique(lengths):
            index = np.flatnonzero(lengths == length)
            yield index, np.stack([self._series[i] for i in index])

    def chunks(self) -> Iterator[tuple[IntArray, Any]]:
        """The same groups in pieces that are small enough to be held again in float64."""
        for index, values in self.groups():
            rows = max(1, _CHUNK // max(1, values[0].size))
            for start in range(0, len(values), rows):
                yield index[start : start + rows], values[start : start + rows]

    def __repr__(self) -> str:
        lengths = self.lengths
        span = f"{lengths.min()}" if self.equal_length else f"{lengths.min()} to {lengths.max()}"
        return f"Cases({len(self)} x {span} timesteps x {self.n_features} features)"


def order_of(names: Sequence[str], wanted: Sequence[str], one: str, many: str) -> list[int]:
    """Where each of the wanted names stands among `names`; both have the same.

    Raises
    ------
    InputError
        One is missing, or there is one more; `one` and `many` are what such a name is called.
    """
    place = {name: i for i, name in enumerate(names)}
    for name in wanted:
        if name not in place:
            raise InputError(f"{one} {name!r} is missing; there are: {_listed(names)}")
    for name in names:
        if name not in wanted:
            raise InputError(f"{one} {name!r} is unknown; the {many} are: {_listed(wanted)}")
    return [place[name] for name in wanted]


def _listed(names: Sequence[str], most: int = 12) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


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
