"""Manners that all commands share: errors, notices, Ctrl-C."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from tsprompt.errors import TspromptError, TspromptNotice
from tsprompt_cli.output import say

__all__ = ["guarded"]


@contextmanager
def guarded(*, verbose: bool = False, worded: Callable[[str], str] = str) -> Iterator[None]:
    """Errors that the user can mend become one line and exit code 2; others keep their traceback.

    Notices become lines on stderr, each once; warnings of other libraries show only if `verbose`.
    `worded` turns the library's words into the command's.
    """
    with warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", TspromptNotice)
        warnings.showwarning = _Notes(warnings.showwarning, worded)
        try:
            yield
        except TspromptError as error:
            say("Error", worded(str(error)), "bold red")
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            say("Interrupted", str(stop) or "nothing was saved", "bold yellow")
            raise typer.Exit(130) from None


class _Notes:
    """Shows notices as lines, and passes other warnings on."""

    def __init__(self, others: Any, worded: Callable[[str], str]) -> None:
        self._others, self._worded = others, worded
        self._said: set[str] = set()

    def __call__(
        self, message: Warning | str, category: type[Warning], *where: Any, **more: Any
    ) -> None:
        text = str(message)
        if not issubclass(category, TspromptNotice):
            self._others(message, category, *where, **more)
        elif text not in self._said:
            self._said.add(text)
            say("Note", self._worded(text), "cyan")
