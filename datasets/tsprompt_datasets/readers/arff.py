"""The .arff format of the UCR and UEA archives.

Univariate files have a numeric attribute for each timestep and a nominal one for the class, a case
a line. Multivariate ones have one relational attribute in place of the numeric ones: a quoted
value whose dimensions are separated by a written-out ``\\n``. ``%`` begins a comment. As the
number of attributes is fixed, shorter series are padded with ``?`` at their end, which is dropped
here. Files are channel-major; here they become (T, F).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

import numpy as np

from tsprompt.data import FloatArray
from tsprompt_datasets.readers.common import (
    Collector,
    Place,
    SeriesFile,
    numbers,
    strip_padding,
    text_lines,
)

__all__ = ["read"]

_ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|\S+)\s+(.+)""", re.IGNORECASE)
_NUMERIC = ("numeric", "real", "integer")


@dataclass
class _Header:
    timesteps: int = 0
    """Numeric attributes: of the case, or of the relational attribute's rows."""
    relational: bool = False
    labelled: bool = False
    labels: list[str] | None = None
    """The class attribute's labels, where it lists them."""


def read(name: str, data: bytes) -> SeriesFile:
    """Parse the bytes of the .arff file called `name`.

    Raises
    ------
    DatasetError
        The file breaks its format or its header's promises; the message names the line.
    """
    lines = text_lines(name, data, (b"%",))
    header, last = _Header(), Place(name, 1)
    for last, line in lines:
        if line.strip().casefold() == "@data":
            break
        _add(header, last, line.strip())
    else:
        raise last.corrupt("the header ends without @data")
    if not header.timesteps:
        raise last.corrupt("the header has no numeric attributes")

    collector = Collector(name, header.labels)
    split = _relational if header.relational else _flat
    for last, line in lines:
        series, label = split(last, line.strip(), header)
        collector.add(last, strip_padding(series), label)
    return collector.finish(last)


def _add(header: _Header, place: Place, line: str) -> None:
    """Take one line of the header."""
    word = line.split(maxsplit=1)[0].casefold()
    if word in ("@relation", "@end"):
        return
    match = _ATTRIBUTE.fullmatch(line)
    if not match:
        raise place.corrupt(f"{line[:40]!r} is not a line of an .arff header")
    kind = match[2].strip()
    if header.labelled:
        raise place.error("an attribute follows the class; put the class last")
    if kind.casefold() in _NUMERIC:
        header.timesteps += 1
    elif kind.casefold() == "relational":
        header.relational = True
    elif kind.casefold() == "string":
        header.labelled = True
    elif kind.startswith("{") and kind.endswith("}"):
        header.labelled, header.labels = True, _nominal(kind[1:-1])
    else:
        raise place.error(
            f"attribute type {kind[:40]!r} is not supported; use numeric, relational, or a class "
            "in braces"
        )


def _nominal(text: str) -> list[str]:
    quote = '"' if '"' in text else "'"
    return [
        label.strip()
        for label in next(csv.reader([text], quotechar=quote, skipinitialspace=True), [])
    ]


def _unquote(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _flat(place: Place, line: str, header: _Header) -> tuple[FloatArray, str | None]:
    """A univariate line as (T, 1) and its label."""
    if not header.labelled:
        values, label = line, None
    else:
        tokens = line.split(",", header.timesteps)
        if len(tokens) <= header.timesteps:
            raise place.corrupt(
                f"{len(tokens)} columns where the header says {header.timesteps} values and a label"
            )
        values, label = ",".join(tokens[:-1]), _unquote(tokens[-1])
    return _row(place, values, header)[:, None], label


def _relational(place: Place, line: str, header: _Header) -> tuple[FloatArray, str | None]:
    """A multivariate line as (T, F) and its label."""
    quote = line[0]
    end = line.find(quote, 1)
    if quote not in "'\"" or end < 0:
        raise place.corrupt("the dimensions do not stand between quotes")
    rows = [_row(place, row, header) for row in line[1:end].split("\\n")]
    comma, label = line[end + 1 :].strip()[:1], line[end + 1 :].strip()[1:]
    if header.labelled and comma != ",":
        raise place.corrupt("the case has no label")
    if not header.labelled and comma:
        raise place.corrupt(f"{line[end + 1 :][:40]!r} follows the dimensions")
    return np.stack(rows, axis=1), _unquote(label) if header.labelled else None


def _row(place: Place, text: str, header: _Header) -> FloatArray:
    values = numbers(place, text, ",")
    if len(values) != header.timesteps:
        raise place.corrupt(f"{len(values)} values where the header says {header.timesteps}")
    return values
