"""The .ts format of the UCR and UEA archives.

A header of ``@key value`` lines, ``@data``, then a case a line: dimensions are separated by
colons, values by commas, and the label follows the last colon. Keys are case-insensitive, ``#``
(in a few files ``%``) begins a comment, ``?`` and ``NaN`` are missing. Files are channel-major;
here they become (T, F).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tsprompt.data import FloatArray
from tsprompt.errors import DatasetError
from tsprompt_datasets.readers.common import Collector, Place, SeriesFile, numbers, text_lines

__all__ = ["is_regression", "read"]


@dataclass
class _Header:
    """What a file promises; None where it says nothing."""

    values: dict[str, tuple[Place, list[str]]] = field(default_factory=dict)

    def add(self, place: Place, line: str) -> None:
        key, *words = line.split()
        if not key.startswith("@"):
            raise place.corrupt(f"{line[:40]!r} stands before @data")
        self.values[key[1:].casefold()] = place, words

    def flag(self, key: str) -> bool | None:
        if key not in self.values:
            return None
        place, words = self.values[key]
        word = words[0].casefold() if words else ""
        if word not in ("true", "false"):
            raise place.error(f"@{key} must be true or false; correct the line")
        return word == "true"

    def count(self, key: str) -> int | None:
        if key not in self.values:
            return None
        place, words = self.values[key]
        if len(words) != 1 or not words[0].isascii() or not words[0].isdigit():
            raise place.error(f"@{key} must be a whole number; correct the line")
        return int(words[0])

    @property
    def dimensions(self) -> int | None:
        named = self.count("dimensions") or self.count("dimension")
        return named or (1 if self.flag("univariate") else None)

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
        if line.strip().casefold() == "@data":
            break
        header.add(last, line.strip())
    else:
        raise last.corrupt("the header ends without @data")

    labelled = _check_header(header, last)
    length = header.count("serieslength") if header.equal_length else None
    dimensions = header.dimensions
    collector = Collector(name, header.labels if labelled else None)
    for last, line in lines:
        series, label = _case(last, line, dimensions, labelled)
        if header.equal_length:
            length = length or len(series)
            if len(series) != length:
                raise last.corrupt(
                    f"{len(series)} values where the header says {_promise(header, length)}"
                )
        collector.add(last, series, label)
    return collector.finish(last)


def _promise(header: _Header, length: int) -> str:
    if header.count("serieslength"):
        return str(length)
    return f"that all lengths are equal, and the first case has {length}"


def _check_header(header: _Header, place: Place) -> bool:
    """Refuse what is not classification of evenly spaced series; say whether cases are labelled."""
    if header.flag("targetlabel"):
        raise _regression(header.values["targetlabel"][0])
    if header.flag("timestamps"):
        raise header.values["timestamps"][0].error(
            "series with time stamps are not supported; resample them to even steps, and write "
            "the values alone with @timeStamps false"
        )
    labelled = header.flag("classlabel")
    if labelled is None:
        raise place.error(
            "the header has no @classLabel line; write '@classLabel true' and the labels, or "
            "'@classLabel false' for cases without labels"
        )
    if labelled and not header.labels:
        raise header.values["classlabel"][0].corrupt("@classLabel true is not followed by labels")
    return labelled


def _regression(place: Place) -> DatasetError:
    return place.error(
        "this is a regression set (@targetLabel true), and tsprompt classifies; "
        "give a set with @classLabel"
    )


def _case(
    place: Place, line: str, dimensions: int | None, labelled: bool
) -> tuple[FloatArray, str | None]:
    """One line as (T, F) and its label."""
    *parts, last = line.split(":")
    label: str | None = last
    if not labelled:
        parts, label = [*parts, last], None
    elif not parts:
        raise place.corrupt("the case has no label")
    if dimensions is not None and len(parts) != dimensions:
        raise place.corrupt(f"{len(parts)} dimensions where the header says {dimensions}")
    channels = [numbers(place, part, ",") for part in parts]
    for i, channel in enumerate(channels, 1):
        if len(channel) != len(channels[0]):
            raise place.corrupt(
                f"dimension {i} has {len(channel)} values, dimension 1 has {len(channels[0])}"
            )
    return np.stack(channels, axis=1), label


def is_regression(data: bytes) -> bool:
    """Whether the beginning of a .ts file says that it holds targets, not classes."""
    header = data.partition(b"\n@data")[0].lower()
    return b"\n@targetlabel true" in header
