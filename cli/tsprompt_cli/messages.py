"""How the commands tell errors, notices and Ctrl-C, and how they spell a setting in such a text."""

from __future__ import annotations

import dataclasses
import json
import shlex
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from tsprompt.errors import Setting, TspromptError, TspromptNotice
from tsprompt_cli.option_groups import Model
from tsprompt_cli.output import say

__all__ = ["as_flag", "guarded", "in_a_plan"]

Spelling = Callable[[Setting], str]

_IN_A_PLAN = {"strategy", *(field.name for field in dataclasses.fields(Model))}


def as_flag(setting: Setting, path: str = "--output") -> str:
    """`--head ridge`. What the library calls `path` is the flag that says where to write."""
    flag = path if setting.name == "path" else f"--{setting.name.replace('_', '-')}"
    if isinstance(setting.value, bool):
        return flag if setting.value else f"--no-{flag.removeprefix('--')}"
    return flag if setting.value is None else f"{flag} {shlex.quote(str(setting.value))}"


def in_a_plan(setting: Setting) -> str:
    """`head = "ridge"`, as a method's table in a plan has it; what no plan has is a flag."""
    if setting.name not in _IN_A_PLAN:
        return as_flag(setting, path="--results")
    if setting.value is None:
        return setting.name
    return f"{setting.name} = {json.dumps(setting.value, ensure_ascii=False)}"


@contextmanager
def guarded(*, verbose: bool = False, spell: Spelling = as_flag) -> Iterator[None]:
    """Errors that the user can mend become one line and exit code 2; others keep their traceback.

    Notices become lines on stderr, each once; warnings of other libraries show only if `verbose`.
    """
    with warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", TspromptNotice)
        warnings.showwarning = _Notes(warnings.showwarning, spell)
        try:
            yield
        except TspromptError as error:
            say("Error", error.spelled(spell), "bold red")
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            say("Interrupted", str(stop) or "nothing was saved", "bold yellow")
            raise typer.Exit(130) from None


class _Notes:
    """Shows notices as lines, and passes other warnings on."""

    def __init__(self, others: Any, spell: Spelling) -> None:
        self._others, self._spell = others, spell
        self._said: set[str] = set()

    def __call__(
        self, message: Warning | str, category: type[Warning], *where: Any, **more: Any
    ) -> None:
        if not isinstance(message, TspromptNotice):
            self._others(message, category, *where, **more)
            return
        text = message.spelled(self._spell)
        if text not in self._said:
            self._said.add(text)
            say("Note", text, "cyan")
