"""`tsprompt datasets`: which data sets there are, what they hold, and fetching more."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from tsprompt_cli.option_groups import flat
from tsprompt_cli.options import DataDir, Form, SetName
from tsprompt_cli.output import Format, chosen, emit, grid, say, show, show_json, table
from tsprompt_cli.own_data import Parting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List, describe and fetch data sets.")


@app.command("list")
def list_sets(
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that can be downloaded.")
    ] = False,
    data_dir: DataDir = None,
    form: Form = None,
) -> None:
    """List the data sets that are on this machine."""
    from tsprompt.base.names import for_terminal
    from tsprompt_datasets import archive_names, list_datasets

    rows = [(one.name, str(one.source), str(one.folder)) for one in list_datasets(data_dir)]
    if everything:
        here = {row[0] for row in rows}
        rows += [(name, "archive", "") for name in archive_names() if name not in here]
    form = chosen(form, None)
    if form is not Format.TABLE:
        import pandas as pd

        from tsprompt.report import render

        emit(render(pd.DataFrame(rows, columns=["name", "source", "folder"]), form))
        return
    made = table("name", "source")
    for name, source, _ in rows:
        made.add_row(for_terminal(name), source)
    show(made)
    if not everything:
        say("Note", f"{len(archive_names())} more can be downloaded: --all lists them")


@app.command()
@flat
def info(
    dataset: SetName, *, parting: Parting, data_dir: DataDir = None, form: Form = None
) -> None:
    """Describe a data set in numbers, and say how a file is understood."""
    from tsprompt_datasets import describe_dataset

    loaded = parting.load(dataset, data_dir)
    about = describe_dataset(loaded.dataset)
    if chosen(form, None) is not Format.TABLE:
        understood = [line for _, line in loaded.understood()]
        show_json({**dataclasses.asdict(about), **({"read": understood} if understood else {})})
        return
    show(_about(about, loaded.understood()), "", _counts(about))


@app.command()
def fetch(dataset: SetName, data_dir: DataDir = None) -> None:
    """Download a data set, unless it is on this machine, and say where it is."""
    from tsprompt_datasets import fetch_dataset

    entry = fetch_dataset(dataset, data_dir=data_dir)
    show(grid([("data", f"{entry.name}, {entry.source}"), ("folder", str(entry.folder))]))


def _about(about: Any, understood: list[tuple[str, str]]) -> Any:
    from tsprompt_cli.display.summaries import data_lines

    files = [
        ("sha256" if not i else "", f"{hash_[:16]}…  {name}")
        for i, (name, hash_) in enumerate(about.sha256.items())
    ]
    return grid([*data_lines(about), *understood, *files])


def _counts(about: Any) -> Any:
    from tsprompt.base.names import for_terminal

    made = table("class", "train", "test", right=("train", "test"))
    for label in about.classes:
        made.add_row(
            for_terminal(label), str(about.train_counts[label]), str(about.test_counts[label])
        )
    return made
