"""The .ts format of the UCR and UEA archives.

A header of ``@key value`` lines, ``@data``, then a case a line: dimensions are separated by
colons, values by commas, and the label follows the last colon. Keys are case-insensitive, ``#``
(in a few files ``%``) begins a comment, ``?`` and ``NaN`` are missing. Files are channel-major;
here they become (T, F).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from tsprompt.data import Values
from tsprompt.errors import DatasetError
from tsprompt_datasets.readers.collector import MOST_CLASSES, Collector, SeriesFile
from tsprompt_datasets.readers.lines import Place, shown, text_lines
from tsprompt_datasets.readers.numbers import numbers

__all__ = ["is_regression", "read"]

_SYNONYMS = {"dimension": "dimensions"}
_KEYS = {
    *("timestamps", "missing", "univariate", "dimensions", "equallength", "serieslength"),
    *("classlabel", "targetlabel"),
}
"""What the header says of the data, the only lines of it that are kept."""
_BLANKS = re.compile(r"[ \t]+")
_MOST_DIGITS = 15


@dataclass
class _Header:
    """What a file promises; None where it says nothing."""

    values: dict[str, tuple[Place, list[str]]] = field(default_factory=dict)

    def add(self, place: Place, line: str) -> None:
        key, *words = _BLANKS.split(line, MOST_CLASSES + 2)
        if not key.startswith("@"):
            raise place.corrupt(f"{shown(line)} stands before @data")
        key = key[1:].casefold()
        key = _SYNONYMS.get(key, key)
        if key not in _KEYS:
            return
        before, said = self.values.setdefault(key, (place, words))
        if said != words:
            raise place.error(
                f"@{key} stands in line {before.line} too, and says something else; "
                "keep the line that is right"
            )

    def flag(self, key: str) -> bool | None:
        """What a line of true or false says; labels may follow `classlabel`."""
        if key not in self.values:
            return None
        place, words = self.values[key]
        word = words[0].casefold() if words else ""
        if word not in ("true", "false") or (words[1:] and (key, word) != ("classlabel", "true")):
            raise place.error(f"@{key} must be true or false; correct the line")
        return word == "true"

    def count(self, key: str) -> int | None:
        if key not in self.values:
            return None
        place, words = self.values[key]
        word = words[0] if len(words) == 1 else ""
        # The limit on digits comes first: Python refuses to convert thousands of them.
        if not word.isascii() or not word.isdigit() or len(word) > _MOST_DIGITS or not int(word):
            raise place.error(f"@{key} must be a whole number from 1; correct the line")
        return int(word)

    def place(self, key: str) -> Place:
        return self.values[key][0]

    @property
    def dimensions(self) -> int | None:
        return self.count("dimensions") or (1 if self.flag("univariate") else None)

    @property
    def equal_length(self) -> bool:
        # Some files give a length and leave out the flag; where the flag is false, the length is
        # the longest series'.
        said = self.flag("equallength")
        return self.count("serieslength") is not None if said is None else said

    @property
    def labels(self) -> list[str]:
        return self.values["classlabel"][1][1:]


def read(name: str, data: bytes) -> SeriesFile:
    """Parse the bytes of the .ts file called `name`.

    Raises
    ------
    DatasetError
        The file breaks its format or its header's promises; the message names the line.
    """
    lines = text_lines(name, data, (b"#", b"%"))
    header, last = _Header(), Place(name, 1)
    for last, line in lines:
        if line.casefold() == "@data":
            break
        header.add(last, line)
    else:
        raise last.corrupt("the header ends without @data")

    labelled = _check_header(header, last)
    check, dimensions = _Promises(header), header.dimensions
    collector = Collector(name, header.labels if labelled else None, len(data))
    for last, line in lines:
        series, label = _case(last, line, dimensions, labelled)
        check(last, series)
        collector.add(last, series, label)
    return collector.finish(last)


class _Promises:
    """What the header says of every series."""

    def __init__(self, header: _Header) -> None:
        self._several = header.flag("univariate") is False
        self._equal = header.equal_length
        self._promised = header.count("serieslength")
        self._length = self._promised
        self._gaps = header.flag("missing") is not False

    def __call__(self, place: Place, series: Values) -> None:
        """Check one series (T, F)."""
        if self._equal:
            self._length = self._length or len(series)
            if len(series) != self._length:
                raise place.corrupt(f"{len(series)} values where the header says {self._promise()}")
        elif self._promised and len(series) > self._promised:
            raise place.corrupt(
                f"{len(series)} values where the header says {self._promised} at the most"
            )
        if self._several and series.shape[1] == 1:
            raise place.corrupt("1 dimension where the header says @univariate false")
        if not self._gaps and np.isnan(series).any():
            raise place.error(
                "a value is missing where the header says @missing false; if that is right, "
                "write @missing true"
            )

    def _promise(self) -> str:
        if self._promised:
            return str(self._promised)
        return f"that all lengths are equal, and the first case has {self._length}"


def _check_header(header: _Header, place: Place) -> bool:
    """Refuse what contradicts itself, or isn't classification of evenly spaced series; say
    whether cases are labelled."""
    if header.flag("targetlabel"):
        raise _regression(header.place("targetlabel"))
    if header.flag("timestamps"):
        raise header.place("timestamps").error(
            "series with time stamps are not supported; resample them to even steps, and write "
            "the values alone with @timeStamps false"
        )
    univariate, dimensions = header.flag("univariate"), header.count("dimensions")
    if univariate is not None and dimensions and univariate != (dimensions == 1):
        raise header.place("dimensions").error(
            f"@dimensions {dimensions} contradicts @univariate {str(univariate).lower()} in line "
            f"{header.place('univariate').line}; correct the one that is wrong"
        )
    labelled = header.flag("classlabel")
    if labelled is None:
        raise place.error(
            "the header has no @classLabel line; write '@classLabel true' and the labels, or "
            "'@classLabel false' for cases without labels"
        )
    if labelled:
        _check_labels(header.place("classlabel"), header.labels)
    return labelled


def _check_labels(place: Place, labels: list[str]) -> None:
    if not labels:
        raise place.corrupt("@classLabel true is not followed by labels")
    if len(labels) > MOST_CLASSES:
        raise place.error(f"more than {MOST_CLASSES:,} labels; a set has far fewer classes")


def _regression(place: Place) -> DatasetError:
    return place.error(
        "this is a regression set (@targetLabel true), and tsprompt classifies; "
        "give a set with @classLabel"
    )


def _case(
    place: Place, line: str, dimensions: int | None, labelled: bool
) -> tuple[Values, str | None]:
    """One line as (T, F) and its label."""
    text, colon, last = line.rpartition(":")
    label: str | None = last
    if not labelled:
        text, label = line, None
    elif not colon:
        raise place.corrupt("the case has no label")
    if dimensions is not None and text.count(":") + 1 != dimensions:
        raise place.corrupt(f"{text.count(':') + 1} dimensions where the header says {dimensions}")
    channels: list[Values] = []
    for part in text.split(":"):
        channels.append(numbers(place, part, ","))
        if len(channels[-1]) != len(channels[0]):
            raise place.corrupt(
                f"dimension {len(channels)} has {len(channels[-1])} values, dimension 1 has "
                f"{len(channels[0])}"
            )
    return np.stack(channels, axis=1), label


def is_regression(data: bytes) -> bool:
    """Whether the beginning of a .ts file says that it holds targets, not classes."""
    header = data.partition(b"\n@data")[0].lower()
    return b"\n@targetlabel true" in header
