"""Published results as records, so that they stand in the same tables as our own.

Where they come from, and their licence: README.md beside this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import isnan, nan

import pandas as pd

from tsprompt.benchmark.record import Record
from tsprompt.errors import ConfigError, near_names

__all__ = ["Published", "published_columns", "published_results"]

_DEFAULTS = (
    *("1NN-DTW", "1NN-DTW-D", "MiniROCKET", "ROCKET", "MR-Hydra"),
    *("InceptionTime", "InceptionT", "DrCIF", "HC2"),
)
"""A handful from the plain to the best; those are taken that all our sets' archives have."""
_ARCHIVES = ("ucr112", "uea26", "multiverse")
"""Where a set is in two, a method's figure is taken from the first of them that has the method."""
_SPLITS = {False: "default_split", True: "mean30resamples"}


@dataclass(frozen=True)
class Published:
    """Published results on sets that our own records are of."""

    records: list[Record]
    """One for each set and column, of the kind `published`."""
    columns: list[str]
    default_split: list[str]
    """Sets whose results are of the archive's own split."""
    resampled: list[str]
    """Sets whose results are means over 30 resamples."""

    @property
    def sets(self) -> set[str]:
        """Those that all columns have."""
        return {*self.default_split, *self.resampled}


def published_columns() -> list[str]:
    """All there are, of any archive."""
    return list(dict.fromkeys(name for one in _tables(False) for name in one.columns))


def published_results(records: Iterable[Record], columns: Sequence[str] = ()) -> Published:
    """The published results to set beside these records.

    A set on which only the archive's own split was run is compared with results of that split;
    a set with further resamples, with means over 30 resamples.

    Parameters
    ----------
    columns
        Which published methods; none: a handful.

    Raises
    ------
    ConfigError
        There is no such column, or no published result on any of the sets.
    """
    known = {name.casefold(): name for name in published_columns()}
    unknown = [one for one in columns if one.casefold() not in known]
    if unknown:
        near = near_names(unknown[0], known.values())
        raise ConfigError(f"no published results are called {unknown[0]!r}; {near}")
    tables = _choose(records)
    if not tables:
        raise ConfigError("there are no published results on any of these sets")
    wanted = list(dict.fromkeys(known[one.casefold()] for one in columns)) or [
        name
        for name in _DEFAULTS
        if all(any(name in table for table in own) for own in tables.values())
    ]
    rows = {
        (name, resampled): [_accuracy(own, name, one) for one in wanted]
        for (name, resampled), own in tables.items()
    }
    whole = {key: row for key, row in rows.items() if not any(map(isnan, row))}
    if not whole:
        raise ConfigError(
            f"none of these sets has published results of all of: {', '.join(wanted)}; choose "
            "fewer, such as HC2 alone"
        )
    made = [
        Record(name, f"{column} (published)", "published", 0, 0, "ok", accuracy=accuracy)
        for (name, _), row in whole.items()
        for column, accuracy in zip(wanted, row, strict=True)
    ]
    by_split = {kind: [name for name, one in whole if one is kind] for kind in (False, True)}
    return Published(made, wanted, by_split[False], by_split[True])


def _choose(records: Iterable[Record]) -> dict[tuple[str, bool], list[pd.DataFrame]]:
    """The tables that have each of our sets: (set, whether they are of resamples) -> tables."""
    resampled: dict[str, bool] = {}
    for record in records:
        resampled[record.dataset] = resampled.get(record.dataset, False) or record.resample > 0
    chosen = {
        (name, further): [one for one in _tables(further) if name in one.index]
        for name, further in resampled.items()
    }
    return {key: own for key, own in chosen.items() if own}


def _accuracy(tables: list[pd.DataFrame], name: str, column: str) -> float:
    """The first figure that the tables have; NaN where none has one."""
    found = [float(table[column][name]) for table in tables if column in table]
    return next((one for one in found if not isnan(one)), nan)


def _tables(resampled: bool) -> list[pd.DataFrame]:
    """Of each archive that has results of this kind."""
    names = [f"{archive}_{_SPLITS[resampled]}.csv" for archive in _ARCHIVES]
    return [_table(name) for name in names if (files(__name__) / name).is_file()]


@cache
def _table(file: str) -> pd.DataFrame:
    """Accuracies, a row for each set and a column for each method."""
    with (files(__name__) / file).open(encoding="utf-8") as lines:
        return pd.read_csv(lines, index_col="dataset")
