"""What commands of many runs have in common: where runs are kept, and what is written of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tsprompt_cli.options import Form, Output
from tsprompt_cli.output import Format, check_target, chosen

__all__ = ["Kept", "KeptAndDrawn", "NewSplits"]

NewSplits = Annotated[
    bool,
    typer.Option(
        "--new-splits", help="Seed k also draws the k-th split of train and test; 0 is given."
    ),
]


@dataclass(frozen=True)
class Kept:
    """Where runs are kept, and what is written of them."""

    records: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep one JSON for each run there; a second start makes only those that are "
            "missing.",
            show_default=False,
        ),
    ] = None
    output: Output = None
    form: Form = None

    def check(self, *inputs: str | Path | None) -> Format:
        """See that all can be written, and over nothing that is read; gives the format.

        Raises
        ------
        TspromptError
            Something can't.
        """
        from tsprompt.base.files import check_file, check_folder, check_not_input
        from tsprompt.errors import Setting

        output = Setting("output")
        if self.output is not None:
            check_file(self.output, output)
        form = chosen(self.form, self.output)
        if self.output is not None:
            check_not_input(self.output, *_given(inputs), setting=output)
        if self.records is not None:
            check_folder(self.records, Setting("records"))
        return form


@dataclass(frozen=True)
class KeptAndDrawn(Kept):
    """The same, and a page of it."""

    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a page for a browser, all in one file.",
            show_default=False,
        ),
    ] = None

    def check(self, *inputs: str | Path | None) -> Format:
        """As above, the page too."""
        from tsprompt.base.files import check_not_input
        from tsprompt.errors import Setting

        form = super().check(*inputs)
        if self.html is not None:
            check_not_input(self.html, *_given(inputs), setting=Setting("html"))
            check_target(self.html, "html")
        return form


def _given(inputs: tuple[str | Path | None, ...]) -> list[str | Path]:
    return [one for one in inputs if one is not None]
