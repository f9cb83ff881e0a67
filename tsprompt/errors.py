"""What can go wrong, as one small tree.

::

    TspromptError
    ├── InputError        the series or labels handed in can't be used
    │   └── DatasetError  a data set or one of its files can't be found or read
    ├── ConfigError       an option is unknown, out of range, or contradicts another
    ├── BackboneError     the language model is absent, or not the one expected
    └── ModelFileError    a saved model is truncated, foreign, or can't be written

All of them are the user's to mend: the message says what is wrong, where, and what to do. The
command line prints it without a traceback and exits with 2. Anything else is a bug and keeps its
traceback. `TspromptNotice` is a warning: something was done that the user should know of.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable

__all__ = [
    "BackboneError",
    "ConfigError",
    "DatasetError",
    "InputError",
    "ModelFileError",
    "TspromptError",
    "TspromptNotice",
    "near_names",
    "notice",
]


_SHOWN = 12
"""Names in a message at the most."""


class TspromptError(Exception):
    """Base of all errors that the user can mend."""


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


class TspromptNotice(UserWarning):
    """Something was done to the input, or a limit was met, that the user should know of."""


def notice(message: str) -> None:
    """Tell the user something once, through Python's warnings, as a `TspromptNotice`."""
    warnings.warn(message, TspromptNotice, stacklevel=2)


def near_names(name: str, known: Iterable[str]) -> str:
    """End a message about an unknown name: the near ones, or else all that are known."""
    known = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(folded[candidate] for candidate in near) + "?"
    shown, more = known[:_SHOWN], len(known) - _SHOWN
    return "known: " + ", ".join(shown) + (f" and {more} more" if more > 0 else "")
