"""Names made safe for where they are shown or written: one function for each medium.

Names of sets, methods, classes, features, cases and files come from other people's files. None may
steer a terminal, end a table's row, become a formula, a tag, a command of LaTeX or a path that
leaves its folder. Whoever writes a name, or a sentence that holds one, asks here first; in HTML,
jinja2 escapes what `visible` leaves, and JSON holds names as they are, in ASCII.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["for_csv", "for_file", "for_latex", "for_markdown", "for_terminal", "visible"]

_HIDDEN = {"Cc", "Cs", "Cn", "Zl", "Zp"}
"""Unicode's control characters, surrogates, what is no character, and separators of lines."""
_TURNS = {*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
"""Characters that turn the direction of the text around them."""

_FORMULA = re.compile(r"\s*[=+\-@].")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?|[+-]?(inf|nan)", re.IGNORECASE)
_MARKS = re.compile(
    r"[\\`*\[\]<|~$]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])|^[#>]|^[-+=](?=\s|[-+=]|$)"
)
"""What Markdown reads as more than itself: within a line, within a word, or at its beginning."""
_ITEM = re.compile(r"^(\d+)([.)])(?=\s|$)")
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}

_LONGEST = 200
"""Characters of a file's name, so that an ending and the mark of a partial file still fit."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(?=$|\.)", re.IGNORECASE)
"""What Windows takes for a device."""


def visible(text: object, keep: str = "") -> str:
    r"""The text with every character that is none to look at written out, as `\x1b` or `\n`.

    Parameters
    ----------
    keep
        Characters that stay as they are.
    """
    return "".join(
        _written_out(one) if one not in keep and _acts(one) else one for one in str(text)
    )


def _acts(one: str) -> bool:
    return unicodedata.category(one) in _HIDDEN or one in _TURNS


def _written_out(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")


def for_terminal(text: object, style: str = "", keep: str = "") -> Text:
    """For Rich, which reads no markup and no emoji in it; `keep` as in `visible`."""
    from rich.text import Text

    return Text(visible(text, keep), style)


def for_csv(text: str) -> str:
    """For a cell: what a spreadsheet would compute gets an apostrophe in front; numbers don't."""
    text = visible(text)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def for_markdown(text: object) -> str:
    """For a cell, an item or a paragraph: as itself, without effect."""
    text = _MARKS.sub(r"\\\g<0>", visible(text).strip())
    return _ITEM.sub(r"\1\\\2", text)


def for_latex(text: object) -> str:
    """For a cell of a table; one that begins with `[` or `*` is no option of the row's end."""
    text = "".join(_SPECIAL.get(one, one) for one in visible(text))
    return f"{{{text[0]}}}{text[1:]}" if text.startswith(("[", "*")) else text


def for_file(name: str) -> str:
    """For a file or folder, as one part of a path: it names neither another folder nor a device.

    What most systems refuse is written as in web addresses, `%2F` for `/`; an ordinary name stays
    as it is, and a long one is cut and told apart by a digest.
    """
    safe = quote(name, safe=" ,+=()", errors="surrogatepass")
    if safe.startswith((".", " ")) or _RESERVED.match(safe):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    if safe.endswith((".", " ")):
        safe = f"{safe[:-1]}%{ord(safe[-1]):02X}"
    if len(safe) > _LONGEST:
        digest = hashlib.sha256(safe.encode()).hexdigest()[:12]
        safe = f"{safe[: _LONGEST - len(digest) - 1]}-{digest}"
    return safe or "%"
