"""What can go wrong, as one small tree.

::

    TspromptError
    ├── InputError        the series or labels handed in can't be used
    │   └── DatasetError  a data set or one of its files can't be found or read
    ├── ConfigError       an option is unknown, out of range, or contradicts another
    ├── BackboneError     the language model is absent, or not the one expected
    ├── ModelFileError    a saved model is truncated, foreign, or can't be written
    └── PluginError       a package that brings parts can't be used

All of them are the user's to mend: the message says what is wrong, where, and what to do. The
command line prints it without a traceback and exits with 2. Anything else is a bug and keeps its
traceback. `TspromptNotice` is a warning: something was done that the user should know of.

A text that speaks of a setting holds it as a `Setting`, not as words: Python writes
``head="ridge"``, the command line ``--head ridge``. So an error is made of pieces::

    ConfigError("the head can't learn from soft labels; use ", Setting("head", "ridge"))

and ``str(error)`` spells it for Python, ``error.spelled(...)`` for somebody else. A remedy that is
open to some readers alone, such as those who hold the model and not those who ask a server for it,
is an `Advice`.
"""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = [
    "Advice",
    "BackboneError",
    "ConfigError",
    "DatasetError",
    "InputError",
    "ModelFileError",
    "Piece",
    "PluginError",
    "Setting",
    "TspromptError",
    "TspromptNotice",
    "counted",
    "near_names",
    "notice",
]


_SHOWN = 12
"""Names in a message at the most."""


@dataclass(frozen=True)
class Setting:
    """A setting that a text speaks of, and what to set it to, if the text says so."""

    name: str
    """The argument's name in Python, such as `n_prompts` or `path`."""
    value: object = None

    def __str__(self) -> str:
        """As Python spells it: `head="ridge"`, or the name alone."""
        if self.value is None:
            return self.name
        text = isinstance(self.value, str)
        return f"{self.name}={json.dumps(self.value, ensure_ascii=False) if text else self.value}"


@dataclass(frozen=True, init=False)
class Advice:
    """What to do, where not everybody can: whoever asks a server can't set what its owner can."""

    text: tuple[str | Setting, ...]

    def __init__(self, *text: str | Setting) -> None:
        object.__setattr__(self, "text", text)


Piece = str | Setting | Advice
"""What a text is made of."""


class _Told:
    """What errors and notices have in common: a text made of pieces, which are its `args`."""

    args: tuple[object, ...]

    def __str__(self) -> str:
        return self.spelled(str)

    def spelled(self, spell: Callable[[Setting], str], *, advice: bool = True) -> str:
        """The text, with every setting in the spelling of whoever shows it; `advice`: whether it is
        read by those who can take any."""
        pieces: list[object] = []
        for one in self.args:
            if not isinstance(one, Advice):
                pieces.append(one)
            elif advice:
                pieces += one.text
        return "".join(spell(one) if isinstance(one, Setting) else str(one) for one in pieces)


class TspromptError(_Told, Exception):
    """Base of all errors that the user can mend."""

    args: tuple[Piece, ...]

    def __init__(self, *text: Piece) -> None:
        super().__init__(*text)


class InputError(TspromptError, ValueError):
    """The series or labels handed in can't be used as they are."""


class DatasetError(InputError):
    """A data set or one of its files can't be found or read."""


class ConfigError(TspromptError, ValueError):
    """An option is unknown, out of range, or contradicts another one."""


class BackboneError(TspromptError):
    """The language model is absent, unreadable, or not the one that is expected."""


class ModelFileError(TspromptError):
    """A saved model is truncated, of a newer format, or can't be written."""


class PluginError(TspromptError):
    """A package that brings parts can't be imported, or brings one whose name is taken."""


class TspromptNotice(_Told, UserWarning):
    """Something was done to the input, or a limit was met, that the user should know of."""


def notice(*text: Piece) -> None:
    """Tell the user something once, through Python's warnings, as a `TspromptNotice`."""
    warnings.warn(TspromptNotice(*text), stacklevel=2)


def counted(number: int, noun: str) -> str:
    """`1 case`, `1,200 cases`, `2 classes`."""
    many = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def near_names(name: str, known: Iterable[str]) -> str:
    """End a message about an unknown name: the near ones, or else all that are known."""
    known = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(folded[candidate] for candidate in near) + "?"
    shown, more = known[:_SHOWN], len(known) - _SHOWN
    return "known: " + ", ".join(shown) + (f" and {more} more" if more > 0 else "")
