"""`tsprompt push`: a saved model onto the Hugging Face hub."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from tsprompt_cli.options import Form
from tsprompt_cli.output import Format, chosen, grid, show, show_json

__all__ = ["push"]


def push(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A folder that fit wrote.", show_default=False)
    ],
    name: Annotated[
        str,
        typer.Argument(
            metavar="USER/NAME", help="What it is to be called on the hub.", show_default=False
        ),
    ],
    *,
    private: Annotated[
        bool,
        typer.Option(
            "--private/--public",
            help="Whether only you, or your organisation, may see it, or everybody. A page that is "
            "there already has to be so.",
        ),
    ] = True,
    revision: Annotated[
        str | None,
        typer.Option(
            metavar="BRANCH",
            help="The branch, made if there is none; by default main.",
            show_default=False,
        ),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option("--message", "-m", help="Of the commit.", show_default=False),
    ] = None,
    with_paths: Annotated[
        bool,
        typer.Option(
            "--with-paths", help="Push also a model that tells absolute paths of this machine."
        ),
    ] = False,
    form: Form = None,
) -> None:
    """Put a saved model on the Hugging Face hub: its two files and its card, and nothing else.

    It is read and checked first. The token is that of `hf auth login`, or of the environment
    variable HF_TOKEN.
    """
    from tsprompt.export import push as put

    form = chosen(form, None)
    made = put(
        model, name, private=private, revision=revision, message=message, with_paths=with_paths
    )
    if form is not Format.TABLE:
        show_json(dataclasses.asdict(made))
        return
    pinned = f'"{made.name.partition("@")[0]}", revision="{made.commit}", digest="{made.digest}"'
    show(
        grid(
            [
                ("page", f"{made.url} ({'private' if made.private else 'public'})"),
                ("commit", made.commit),
                ("digest", made.digest),
                ("load it", f"PromptClassifier.load({pinned})"),
            ]
        )
    )
