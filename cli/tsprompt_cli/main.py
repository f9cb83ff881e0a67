"""The `tsprompt` command: puts the commands together."""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

from tsprompt_cli.interrupts import one_interrupt
from tsprompt_cli.messages import as_flag, guarded, in_a_plan

__all__ = ["app", "main"]


_COMMANDS = (
    *("fit", "evaluate", "explain", "predict", "embed", "compare", "curve", "advise"),
    *("report", "serve", "export", "push", "show", "pretrain", "doctor"),
    *("bench", "datasets", "list"),
)
"""In the order of the help. Each is a module of `commands` with a function of that name, or with an
`app` of several."""


class _Commands(MutableMapping[str, Any]):
    """Name -> command, made when it is asked for: one run needs one of them, and all of them take a
    quarter of a second."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = dict.fromkeys(_COMMANDS)

    def __getitem__(self, name: str) -> Any:
        if self._made[name] is None:
            self._made[name] = _command(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def _command(name: str) -> Any:
    module = import_module(f"tsprompt_cli.commands.{name}")
    if hasattr(module, "app"):
        group = typer.main.get_group(module.app)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command()(getattr(module, name))
    return typer.main.get_command(alone)


class _Guarded(TyperGroup):
    """Runs every command with the same handling of errors, notices and Ctrl-C."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{**given, "commands": None})
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        spell = in_a_plan if ctx.invoked_subcommand == "bench" else as_flag
        with guarded(verbose=bool(ctx.params.get("verbose")), spell=spell):
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Guarded,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from tsprompt import __version__

        typer.echo(f"tsprompt {__version__}")
        raise typer.Exit


@app.callback()
def tsprompt(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the warnings of other libraries too.")
    ] = False,
) -> None:
    """Time-series classification by prompting a frozen BERT.

    Start with: tsprompt fit GunPoint --strategy per-step
    """


_COLLECTED = 100_000
"""Objects between two looks for garbage. Python's own 700 suit a program that runs: one that starts
makes hundreds of thousands that all stay, and looks at them over and over, for half a second."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(_COLLECTED)
    for stream in (sys.stdout, sys.stderr):
        # An arrow must not end a command where the terminal's encoding has none.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        with one_interrupt():
            app(prog_name="tsprompt")
    finally:
        gc.freeze()  # Python looks for garbage as it ends, too: a third of a second after torch
