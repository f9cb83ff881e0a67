"""`tsprompt list`: the parts that a model can be made of."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tsprompt.base.kinds import SETTINGS, Kind
from tsprompt_cli.options import Form
from tsprompt_cli.output import Format, chosen, emit, show, table

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List the parts that a model can be made of.")

Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Explain each option, with its default.")
]


def _add(kind: Kind) -> None:
    """One command for each kind of part that a classifier is made of."""
    flag = "" if kind.setting == kind.name else f" (`--{kind.setting}`)"

    @app.command(kind.plural, help=f"{kind.about.removesuffix('.')}{flag}.")
    def list_parts(verbose: Verbose = False, form: Form = None) -> None:
        from tsprompt_cli.catalogue import explain_kind

        _print(explain_kind(kind), verbose, chosen(form, None))


for _kind in SETTINGS.values():
    _add(_kind)


@app.command()
def baselines(verbose: Verbose = False, form: Form = None) -> None:
    """Other classifiers, to compare with; says what to install for those that can't run yet."""
    from tsprompt_cli.catalogue import explain_baselines

    columns = {"name": "name", "about": "what it is", "source": "from", "needs": "to install"}
    _print(explain_baselines(), verbose, chosen(form, None), columns)


@app.command()
def recipes(verbose: Verbose = False, form: Form = None) -> None:
    """Named, complete sets of choices; -v tells exactly what each sets."""
    from tsprompt_cli.catalogue import explain_recipes

    columns = {**_COLUMNS, "source": "from"}
    _print(explain_recipes(), verbose, chosen(form, None), columns)


@app.command()
def backbones(verbose: Verbose = False, form: Form = None) -> None:
    """The frozen language models on this machine, and how to name others."""
    from tsprompt_cli.catalogue import explain_backbones

    _print(explain_backbones(), verbose, chosen(form, None))


_COLUMNS = {"name": "name", "about": "what it is"}


def _print(
    parts: list[Any], verbose: bool, form: Format, columns: dict[str, str] = _COLUMNS
) -> None:
    if any(part.package for part in parts):
        columns = {**columns, "package": "package"}
    if form is not Format.TABLE:
        from tsprompt.base.rows import render_rows

        rows = [[getattr(part, key) for key in columns] for part in parts]
        emit(render_rows([*columns], rows, form, parts=[part.as_dict() for part in parts]))
    elif verbose:
        for part in parts:
            show(*_explained(part))
    else:
        from tsprompt.base.names import for_terminal

        made = table(*columns.values())
        for part in parts:
            made.add_row(*(for_terminal(getattr(part, key)) for key in columns))
        show(made)


def _explained(part: Any) -> list[Any]:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from tsprompt.base.names import for_terminal

    title = Text.assemble(for_terminal(part.name, "bold cyan"), "  ", for_terminal(part.about))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column(ratio=1)
    for what, sentence in part.facts:
        facts.add_row(for_terminal(what), for_terminal(sentence))
    told = any(option.about for option in part.options)
    options = Table.grid(padding=(0, 2))
    options.add_column(no_wrap=told, overflow="fold", style="cyan")
    if told:
        options.add_column(ratio=1)
    for option in part.options:
        texts = (f"{option.name} = {option.value}", option.about)[: 1 + told]
        options.add_row(*map(for_terminal, texts))
    more = [Padding(for_terminal(one), (0, 0, 0, 2)) for one in _paragraphs(part.more)]
    more += [Padding(facts, (0, 0, 0, 2))] if part.facts else []
    return [title, *more, Padding(options, (0, 0, 1, 2))]


def _paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, each in one line."""
    return [" ".join(one.split()) for one in text.split("\n\n") if one.strip()]
