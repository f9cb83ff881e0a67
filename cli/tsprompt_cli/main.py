"""The `tsprompt` command: puts the commands together."""

from __future__ import annotations

import gc
import io
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tsprompt_cli.commands import (
    advise,
    bench,
    compare,
    curve,
    datasets,
    doctor,
    embed,
    evaluate,
    explain,
    export,
    fit,
    predict,
    pretrain,
    push,
    report,
    serve,
    show,
)
from tsprompt_cli.commands import list as list_parts
from tsprompt_cli.interrupts import one_interrupt
from tsprompt_cli.messages import as_flag, guarded, in_a_plan

__all__ = ["app", "main"]


class _Guarded(TyperGroup):
    """Runs every command with the same handling of errors, notices and Ctrl-C."""

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
_SINGLE = (
    *(fit, evaluate, explain, predict, embed, compare, curve, advise),
    *(report, serve, export, push, show, pretrain, doctor),
)
for module in _SINGLE:
    app.command()(getattr(module, module.__name__.rpartition(".")[2]))
app.add_typer(bench.app, name="bench")
app.add_typer(datasets.app, name="datasets")
app.add_typer(list_parts.app, name="list")


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
    with one_interrupt():
        app(prog_name="tsprompt")
