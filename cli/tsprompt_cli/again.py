"""The command that is running, spelled once more with other choices: a line to copy."""

from __future__ import annotations

import shlex
from enum import Enum
from typing import Any

import typer

__all__ = ["again"]


def again(context: typer.Context, **changed: Any) -> str:
    """The line of this command, as it was given, but for some parameters.

    Parameters
    ----------
    changed
        Values of parameters by name; None leaves one out.
    """
    words = ["tsprompt", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in changed:
            words += _spelled(parameter, changed[name])
        elif _was_given(context, name):
            words += _spelled(parameter, context.params[name])
    return shlex.join(words)


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _spelled(parameter: Any, value: Any) -> list[str]:
    """The words that give a parameter a value."""
    values = value if isinstance(value, (list, tuple)) else [value]
    texts = [str(one.value if isinstance(one, Enum) else one) for one in values if one is not None]
    if parameter.param_type_name == "argument":
        return texts
    flag = _longest(parameter.opts)
    if isinstance(value, bool):
        return [flag if value else _longest(parameter.secondary_opts)]
    return [word for text in texts for word in (flag, text)]


def _longest(flags: list[str]) -> str:
    return max(flags, key=len)
