"""The plain formats of the UCR releases: a case a line, its label, then its values.

The release of 2018 separates them by tabs (.tsv), that of 2015 by commas or blanks (.txt, or no
ending at all). All lines have as many columns as the longest series; shorter ones are padded with
NaN at their end, which is dropped here. NaN inside a series stays, as a missing value. A label of
``?`` is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import numpy as np

from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.readers.collector import Collector, SeriesFile
from tsprompt_datasets.readers.lines import Place, brief, text_lines
from tsprompt_datasets.readers.numbers import numbers, strip_padding

__all__ = ["first_column", "read", "read_tsv"]

_BLANKS = re.compile(r"[ \t]+")

Lines = Iterator[tuple[Place, str]]


def read_tsv(name: str, data: bytes, *, labelled: bool = True) -> SeriesFile:
    """Parse the bytes of the .tsv file called `name`, whose first column is the label.

    Parameters
    ----------
    labelled
        Whether there is such a column; without it all columns are values.

    Raises
    ------
    DatasetError
        The file breaks its format; the message names the line.
    """
    return _collect(name, data, labelled, *_split(name, data, "\t"))


def read(name: str, data: bytes, *, labelled: bool = True) -> SeriesFile:
    """The same for a file of 2015, whose first line tells whether commas or blanks separate.

    Raises
    ------
    DatasetError
        The file breaks its format; the message names the line.
    """
    return _collect(name, data, labelled, *_split(name, data))


def first_column(
    name: str, data: bytes, separator: str | None = None, timesteps: int | None = None
) -> Literal["first", "none"]:
    """Whether the first column of a file is the label, or there is none.

    Text is a label, and so are whole numbers that come again and again.

    Parameters
    ----------
    separator
        Of columns; None: as the first line tells.
    timesteps
        Of the series that are expected; None where that is not known.

    Raises
    ------
    DatasetError
        It could be either; the message shows the choices.
    """
    columns, values = 0, []
    separator, lines = _split(name, data, separator)
    for place, line in lines:
        columns = columns or line.count(separator) + 1
        try:
            values.append(numbers(place, line.partition(separator)[0], separator)[0])
        except DatasetError:
            return "first"
    if timesteps in (columns, columns - 1):
        return "none" if timesteps == columns else "first"
    first = np.array(values)
    if np.isnan(first).all():  # labels of ?, all unknown
        return "first"
    whole = bool((first == np.round(first)).all())
    if whole and 2 * len(np.unique(first)) <= len(first):
        return "first"
    expected = "" if timesteps is None else f" (series of {timesteps} timesteps are expected)"
    raise DatasetError(
        f"{brief(name)}: has {columns} columns of numbers{expected}, and the first "
        "could be the label or the first value; say which: ",
        Setting("label", "first"),
        " or ",
        Setting("label", "none"),
    )


def _split(name: str, data: bytes, separator: str | None = None) -> tuple[str, Lines]:
    """What separates columns, and the lines in which it stands once between two of them."""
    if separator == "\t":
        return separator, text_lines(name, data, blanks=" ")
    first = next(text_lines(name, data), None)
    if first is None or "," in first[1]:
        return ",", text_lines(name, data)
    return " ", ((place, _BLANKS.sub(" ", line)) for place, line in text_lines(name, data))


def _collect(name: str, data: bytes, labelled: bool, separator: str, lines: Lines) -> SeriesFile:
    collector, last, columns = Collector(name, size=len(data)), Place(name, 1), 0
    for last, line in lines:
        label, found, text = line.partition(separator) if labelled else (None, separator, line)
        if not found:
            what = {"\t": "tab", ",": "comma", " ": "blank"}[separator]
            raise last.corrupt(
                f"no {what}; a line holds a label, a {what}, and values split by {what}s"
            )
        values = numbers(last, text, separator)
        columns = columns or len(values)
        if len(values) != columns:
            raise last.corrupt(f"{len(values)} values where the lines before have {columns}")
        collector.add(last, strip_padding(values[:, None]), label)
    return collector.finish(last)
