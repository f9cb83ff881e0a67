"""What the readers share: places in a file, numbers, and cases collected one by one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases, FloatArray
from tsprompt.errors import DatasetError

__all__ = ["UNKNOWN", "Collector", "Place", "SeriesFile", "numbers", "strip_padding", "text_lines"]

UNKNOWN = "?"
"""What all text formats write for a missing value or an unknown label."""

_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE
)
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class SeriesFile:
    """What one file holds."""

    cases: Cases
    """B series (T_i, F), float32; missing values are NaN."""
    labels: npt.NDArray[np.str_] | None
    """(B,) labels as the file spells them; None where the file has none, or only ``?``."""

    def __len__(self) -> int:
        return len(self.cases)


@dataclass(frozen=True)
class Place:
    """A line of a file, to be named in messages."""

    name: str
    """The file's name."""
    line: int
    """Counted from 1."""

    def error(self, what: str) -> DatasetError:
        """The error that says what is wrong here; `what` also says what to do."""
        return DatasetError(f"{self.name}, line {self.line}: {what}")

    def corrupt(self, what: str) -> DatasetError:
        """The error for content that only a damaged file has."""
        return self.error(f"{what}; the file is truncated or corrupt: fetch it again")


def text_lines(
    name: str, data: bytes, comments: tuple[bytes, ...] = ()
) -> Iterator[tuple[Place, str]]:
    """The lines that are neither blank nor comments, without their line ends.

    Comments are dropped before decoding: the archives' are not all UTF-8, and hold no data.

    Raises
    ------
    DatasetError
        A line is not UTF-8 text.
    """
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not raw.strip() or raw.lstrip().startswith(comments):
            continue
        place = Place(name, number)
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise place.error(
                f"byte {error.start + 1} is not UTF-8 text; save the file as UTF-8, "
                "or fetch it again if it should be"
            ) from None
        if "\0" in line:
            raise place.error("holds binary data, not UTF-8 text; save the file as UTF-8 text")
        yield place, line.rstrip("\r")


def numbers(place: Place, text: str, separator: str) -> FloatArray:
    """Parse (T,) values; ``?`` and ``NaN`` are missing.

    Raises
    ------
    DatasetError
        A value is not a number, or is too large for 32 bits; the message quotes it.
    """
    tokens = text.split(separator)
    # float() also takes 1_000 and other alphabets' digits, which no archive writes.
    if text.isascii() and "_" not in text:
        try:
            values = np.fromiter(map(float, tokens), np.float64, len(tokens))
        except ValueError:  # a `?` or a mistake: the slow way tells which
            pass
        else:
            if not (np.abs(values) > _LARGEST).any():
                return values.astype(np.float32)
    return np.array(
        [_number(place, i, token.strip()) for i, token in enumerate(tokens, 1)], np.float32
    )


def _number(place: Place, position: int, token: str) -> float:
    if token == UNKNOWN or token.lower() == "nan":
        return math.nan
    if not token:
        raise place.corrupt(f"value {position} is empty")
    if not _NUMBER.fullmatch(token):
        raise place.corrupt(f"value {position}, {_short(token)}, is not a number")
    if abs(float(token)) > _LARGEST:
        raise place.error(
            f"value {position}, {_short(token)}, does not fit a 32-bit float; "
            "rescale the series, or write ? for a missing value"
        )
    return float(token)


def _short(text: str, width: int = 40) -> str:
    return repr(text if len(text) <= width else text[: width - 3] + "...")


def strip_padding(series: FloatArray) -> FloatArray:
    """Drop the timesteps at the end of (T, F) at which everything is missing; keep at least one.

    For formats with a fixed number of columns, which can only pad what is shorter.
    """
    held = np.flatnonzero(~np.isnan(series).all(axis=1))
    return series[: held[-1] + 1 if held.size else 1]


class Collector:
    """Gathers the cases of a file, and checks what each must share with the first."""

    def __init__(self, name: str, declared: Sequence[str] | None = None) -> None:
        """`declared` are the labels that the header allows; None allows any."""
        self._place = Place(name, 1)
        # The header decides the spelling; archives mix upper and lower case in a few files.
        self._spelling = {
            **{label.casefold(): label for label in declared or ()},
            **{label: label for label in declared or ()},
        }
        self._series: list[FloatArray] = []
        self._labels: list[str] = []
        self._unknown: Place | None = None

    def add(self, place: Place, series: FloatArray, label: str | None) -> None:
        """Take a case (T, F) and its label, None where the file has no labels."""
        self._place = place
        if self._series and series.shape[1] != self._series[0].shape[1]:
            raise place.corrupt(
                f"{series.shape[1]} dimensions where the cases before have "
                f"{self._series[0].shape[1]}"
            )
        self._series.append(series)
        if label is not None:
            self._labels.append(self._check(place, label.strip()))

    def _check(self, place: Place, label: str) -> str:
        if not label:
            raise place.corrupt("the case has no label")
        if label == UNKNOWN:
            self._unknown = self._unknown or place
            return label
        if not self._spelling:
            return label
        found = self._spelling.get(label) or self._spelling.get(label.casefold())
        if found is None:
            declared = ", ".join(dict.fromkeys(self._spelling.values()))
            raise place.corrupt(
                f"label {_short(label)} is not among those of the header ({declared})"
            )
        return found

    def finish(self, last: Place) -> SeriesFile:
        """All cases; `last` is the last line that was read."""
        if not self._series:
            raise last.corrupt("the file ends without a single case")
        if self._unknown is not None and set(self._labels) != {UNKNOWN}:
            raise self._unknown.error(
                "the label is ? but other cases have one; label all cases, or write ? for all"
            )
        labelled = self._labels and self._unknown is None
        return SeriesFile(
            Cases(self._series), np.array(self._labels, dtype=np.str_) if labelled else None
        )
