"""The .arff format of the UCR and UEA archives.

Univariate files have a numeric attribute for each timestep and a nominal one for the class, a case
a line. Multivariate ones have one relational attribute in place of the numeric ones: a quoted
value whose dimensions are separated by a written-out ``\\n``. ``%`` begins a comment. As the
number of attributes is fixed, shorter series are padded with ``?`` at their end, which is dropped
here. Files are channel-major; here they become (T, F).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from tsprompt.data import Values
from tsprompt.errors import DatasetError
from tsprompt_datasets.readers.collector import MOST_CLASSES, Collector, SeriesFile
from tsprompt_datasets.readers.lines import Place, shown, text_lines
from tsprompt_datasets.readers.numbers import numbers, strip_padding

__all__ = ["read"]

_NUMERIC = ("numeric", "real", "integer")
_CLASS_NAMES = ("class", "target", "label")
_QUOTED = re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'|\"([^\"\\]*(?:\\.[^\"\\]*)*)\"")
_ESCAPE = re.compile(r"\\(.)")


@dataclass
class _Header:
    timesteps: int = 0
    """Numeric attributes: of the case, or of the relational attribute's rows."""
    relational: str = ""
    """`open` while the lines stand inside a relational attribute, then `closed`."""
    labelled: bool = False
    labels: list[str] | None = None
    """The class attribute's labels, where it lists them."""
    odd: list[str] = field(default_factory=list)
    """Names of numeric attributes that do not end in a number, at the most two."""
    names: set[str] = field(default_factory=set)
    """Of the attributes so far, in lower case."""


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
        if line.casefold() == "@data":
            break
        _add(header, last, line)
    else:
        raise last.corrupt("the header ends without @data")
    if not header.timesteps:
        raise last.corrupt("the header has no numeric attributes")
    if header.relational == "open":
        raise last.corrupt("the relational attribute is not closed by a line with @end")

    if not header.labelled and len(header.odd) == 1 and header.timesteps > 1:
        raise _numeric_class(last, header.odd[0])
    collector = Collector(name, header.labels, len(data))
    split = _relational if header.relational else _flat
    for last, line in lines:
        series, label = split(last, line, header)
        collector.add(last, strip_padding(series), label)
    return collector.finish(last)


def _add(header: _Header, place: Place, line: str) -> None:
    """Take one line of the header."""
    word, rest = _first_word(line)
    word = word.casefold()
    if word == "@relation":
        return
    if word == "@end":
        if header.relational != "open":
            raise place.corrupt("@end closes nothing; only a relational attribute has one")
        header.relational = "closed"
        return
    if word != "@attribute":
        raise place.corrupt(f"{shown(line)} is not a line of an .arff header")
    quoted = _QUOTED.match(rest)
    name, kind = (quoted[0], rest[quoted.end() :]) if quoted else _first_word(rest)
    if not kind.strip(" \t"):
        raise place.corrupt(f"{shown(line)} is not a line of an .arff header")
    _attribute(header, place, _unquote(name), kind.strip(" \t"))


def _first_word(text: str) -> tuple[str, str]:
    word = re.match(r"[^ \t]*", text)
    end = word.end() if word else 0
    return text[:end], text[end:].lstrip(" \t")


def _attribute(header: _Header, place: Place, name: str, kind: str) -> None:
    if header.labelled:
        raise place.error("an attribute follows the class; put the class last")
    if name.casefold() in header.names:
        raise place.corrupt(f"two attributes are called {shown(name)}")
    header.names.add(name.casefold())
    numeric = kind.casefold() in _NUMERIC
    if numeric and name.casefold() in _CLASS_NAMES:
        raise _numeric_class(place, name)
    if numeric and len(header.odd) < 2 and not name[-1:].isdigit():
        header.odd.append(name)
    if numeric and header.relational != "closed":
        header.timesteps += 1
    elif kind.casefold() == "relational" and not header.relational and not header.timesteps:
        header.relational = "open"
    elif numeric or kind.casefold() == "relational":
        raise place.error(
            "numeric attributes stand beside a relational one; a case is either of them alone"
        )
    elif header.relational == "open":
        raise place.error("only numeric attributes may stand inside the relational one")
    elif kind.casefold() == "string":
        header.labelled = True
    elif kind.startswith("{") and kind.endswith("}"):
        header.labelled, header.labels = True, _nominal(place, kind[1:-1])
    else:
        raise place.error(
            f"attribute type {shown(kind)} is not supported; use numeric, relational, or a class "
            "in braces"
        )


def _numeric_class(place: Place, name: str) -> DatasetError:
    return place.error(
        f"the attribute {shown(name)} is numeric: it would be a timestep, not the class; write the "
        "classes in braces, as in {1,2}, or number its name as the others' if it is a timestep"
    )


def _nominal(place: Place, text: str) -> list[str]:
    """The labels between the braces of a class, quoted or not."""
    labels: dict[str, None] = {}
    start = 0
    while start <= len(text):
        start = _skip_blanks(text, start)
        quoted = _QUOTED.match(text, start)
        end = quoted.end() if quoted else text.find(",", start)
        end = len(text) if end < 0 else end
        label = _unquote(text[start:end])
        if not label:
            raise place.corrupt(f"one of the labels {shown(text)} is empty")
        if label in labels:
            raise place.corrupt(f"the class lists the label {shown(label)} twice")
        labels[label] = None
        start = _skip_blanks(text, end)
        if start < len(text) and text[start] != ",":
            raise place.corrupt(f"{shown(text[start:])} follows a label that was closed")
        start += 1
        if len(labels) > MOST_CLASSES:
            raise place.error(f"more than {MOST_CLASSES:,} labels; a set has far fewer classes")
    return list(labels)


def _skip_blanks(text: str, start: int) -> int:
    while text[start : start + 1] in (" ", "\t"):
        start += 1
    return start


def _unquote(text: str) -> str:
    """A name or label without its quotes and the backslashes inside them."""
    text = text.strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        return text
    return _ESCAPE.sub(r"\1", quoted[1] if quoted[1] is not None else quoted[2])


def _flat(place: Place, line: str, header: _Header) -> tuple[Values, str | None]:
    """A univariate line as (T, 1) and its label."""
    if not header.labelled:
        return _row(place, line, header)[:, None], None
    # Numbers hold no quotes: where a value begins with one, it is the label's.
    opening = re.search(r""",[ \t]*(?=['"])""", line)
    values, comma, label = (
        (line[: opening.start()], ",", line[opening.end() :]) if opening else line.rpartition(",")
    )
    if not comma or values.count(",") + 1 < header.timesteps:
        raise place.corrupt(
            f"{line.count(',') + 1} columns where the header says {header.timesteps} values and "
            "a label"
        )
    return _row(place, values, header)[:, None], _label(place, label)


def _label(place: Place, text: str) -> str:
    """The label that ends a line."""
    text = text.strip(" \t")
    if text[:1] in ("'", '"') and not _QUOTED.fullmatch(text):
        raise place.corrupt(f"the label {shown(text)} is not quoted as a whole")
    return _unquote(text)


def _relational(place: Place, line: str, header: _Header) -> tuple[Values, str | None]:
    """A multivariate line as (T, F) and its label."""
    quoted = _QUOTED.match(line)
    if not quoted:
        raise place.corrupt("the dimensions do not stand between quotes")
    rows = [_row(place, row, header) for row in quoted[0][1:-1].split("\\n")]
    after = line[quoted.end() :].lstrip(" \t")
    if header.labelled and not after.startswith(","):
        raise place.corrupt("the case has no label")
    if not header.labelled and after:
        raise place.corrupt(f"{shown(after)} follows the dimensions")
    return np.stack(rows, axis=1), _label(place, after[1:]) if header.labelled else None


def _row(place: Place, text: str, header: _Header) -> Values:
    values = numbers(place, text, ",")
    if len(values) != header.timesteps:
        raise place.corrupt(f"{len(values)} values where the header says {header.timesteps}")
    return values
