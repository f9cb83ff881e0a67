"""The lines of a text file, and places in it that messages name."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tsprompt.base.names import visible
from tsprompt.errors import DatasetError

__all__ = ["Place", "brief", "listed", "shown", "text_lines"]

_LISTED = 12
"""Names in a message at the most."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What a line of text never holds: control characters but the tab, and marks of byte order."""


def shown(text: str, width: int = 40) -> str:
    """A piece of a file as a message quotes it: short, control characters written out."""
    return repr(text if len(text) <= width else text[: width - 3] + "...")


def brief(name: str, width: int = 200) -> str:
    """A name, or what a library says, without quotes."""
    return visible(name if len(name) <= width else name[: width - 3] + "...")


def listed(names: Iterable[str]) -> str:
    """A dozen of these names, as messages list them, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(brief(name, 40) for name in names[:_LISTED]) + more


@dataclass(frozen=True)
class Place:
    """A line of a file, to be named in messages."""

    name: str
    """The file's name."""
    line: int
    """Counted from 1."""

    def error(self, what: str) -> DatasetError:
        """The error that says what is wrong here; `what` also says what to do."""
        return DatasetError(f"{brief(self.name)}, line {self.line}: {what}")

    def corrupt(self, what: str) -> DatasetError:
        """The error for content that only a damaged file has."""
        return self.error(f"{what}; the file is truncated or corrupt: fetch it again")


def text_lines(
    name: str, data: bytes, comments: tuple[bytes, ...] = (), blanks: str = " \t"
) -> Iterator[tuple[Place, str]]:
    """The lines that are neither blank nor comments, without `blanks` around them.

    Comments are dropped before decoding: the archives' are not all UTF-8, and hold no data.

    Parameters
    ----------
    blanks
        What may stand around a line and means nothing. A line of these alone is blank; any other
        white space is content, which no reader takes for nothing.

    Raises
    ------
    DatasetError
        A line is not UTF-8 text, or holds control characters.
    """
    around = blanks.encode()
    # One line at a time: a list of them would take many times the file's size.
    for number, raw in enumerate(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), 1):
        bare = raw.removesuffix(b"\n").removesuffix(b"\r").strip(around)
        if not bare or (comments and bare.startswith(comments)):
            continue
        yield Place(name, number), _decode(Place(name, number), bare)


def _decode(place: Place, raw: bytes) -> str:
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise place.error(
            f"byte {error.start + 1} is not UTF-8 text; save the file as UTF-8, "
            "or fetch it again if it should be"
        ) from None
    if found := _CONTROL.search(line):
        what = {"\0": "binary data, not UTF-8 text", "\r": "a carriage return inside the line"}.get(
            found[0], f"the control character {found[0]!r}"
        )
        raise place.error(
            f"holds {what}; save the file as UTF-8 text with a line feed after each line"
        )
    return line
