"""Cases collected one by one, and checked against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases, Values
from tsprompt_datasets.readers.lines import Place, listed, shown
from tsprompt_datasets.readers.numbers import UNKNOWN, narrow

__all__ = ["MOST_CLASSES", "Collector", "SeriesFile"]

MOST_CLASSES = 100_000
"""More labels than this are refused in a header: no set has as many classes."""

_LONGEST_LABEL = 1000
_LABEL_BYTES = 1 << 28
"""What labels may take in any case, as the array that holds them is as wide as the longest."""


@dataclass(frozen=True)
class SeriesFile:
    """What one file holds."""

    cases: Cases
    """B series (T_i, F); missing values are NaN."""
    labels: npt.NDArray[np.str_] | None
    """(B,) labels as the file spells them; None where the file has none, or only ``?``."""

    def __len__(self) -> int:
        return len(self.cases)


class Collector:
    """Gathers the cases of a file, and checks what each must share with the first."""

    def __init__(self, name: str, declared: Sequence[str] | None = None, size: int = 0) -> None:
        """`declared` are the labels that the header allows; None allows any. `size` is the file's,
        in bytes: labels may take a few times that much memory."""
        self._place = Place(name, 1)
        self._declared = None if declared is None else dict.fromkeys(declared)
        self._folded: dict[str, list[str]] = {}
        self._known: dict[str, str] = {}
        self._room = max(_LABEL_BYTES, 8 * size)
        self._series: list[Values] = []
        self._labels: list[str] = []
        self._unknown: Place | None = None

    def add(self, place: Place, series: Values, label: str | None) -> None:
        """Take a case (T, F) and its label, None where the file has no labels."""
        if self._series and series.shape[1] != self._series[0].shape[1]:
            raise place.corrupt(
                f"{series.shape[1]} dimensions where the cases before have "
                f"{self._series[0].shape[1]}"
            )
        self._series.append(series)
        if label is not None:
            self._labels.append(self._check(place, label.strip(" \t")))

    def _check(self, place: Place, label: str) -> str:
        """The label as the header spells it."""
        if label in self._known:  # one object for each class, not for each case
            return self._known[label]
        if not label:
            raise place.corrupt("the case has no label")
        if label == UNKNOWN:
            self._unknown = self._unknown or place
            return label
        if len(label) > _LONGEST_LABEL:
            raise place.corrupt(
                f"the label {shown(label)} has {len(label):,} characters; {_LONGEST_LABEL:,} are "
                "the most"
            )
        self._known[label] = self._spelt(place, label)
        return self._known[label]

    def _spelt(self, place: Place, label: str) -> str:
        if self._declared is None or label in self._declared:
            return label
        if not self._folded:
            # The header decides the spelling; archives mix upper and lower case in a few files.
            for one in self._declared:
                self._folded.setdefault(one.casefold(), []).append(one)
        found = self._folded.get(label.casefold(), [])
        if len(found) == 1:
            return found[0]
        if found:
            raise place.error(
                f"label {shown(label)} could be any of the header's {listed(found)}, which differ "
                "in upper and lower case; write one of them"
            )
        raise place.corrupt(
            f"label {shown(label)} is not among those of the header ({listed(self._declared)})"
        )

    def finish(self, last: Place) -> SeriesFile:
        """All cases; `last` is the last line that was read."""
        if not self._series:
            raise last.corrupt("the file ends without a single case")
        labelled = bool(self._labels) and (self._unknown is None or bool(self._known))
        if labelled and self._unknown is not None:
            raise self._unknown.error(
                "the label is ? but other cases have one; label all cases, or write ? for all"
            )
        return SeriesFile(Cases(narrow(self._series)), self._array(last) if labelled else None)

    def _array(self, last: Place) -> npt.NDArray[np.str_]:
        longest = max(self._known.values(), key=len)
        needed = np.dtype("U1").itemsize * len(longest) * len(self._labels)
        if needed > self._room:
            raise last.error(
                f"the label {shown(longest)} is so long ({len(longest):,} characters) that "
                f"{len(self._labels):,} of its length would take {needed >> 20:,} MiB; shorten it"
            )
        return np.array(self._labels, dtype=np.str_)
