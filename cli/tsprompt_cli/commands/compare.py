"""`tsprompt compare`: strategies, ablations and a plain baseline, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsprompt.base.spec import split_specs
from tsprompt_cli import completion
from tsprompt_cli.option_groups import Machine, Model, flat
from tsprompt_cli.options import DataDir
from tsprompt_cli.output import Format, emit, say, show
from tsprompt_cli.own_data import Loaded, Parting
from tsprompt_cli.run_options import Kept, NewSplits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from tsprompt.benchmark import Cell, Record
    from tsprompt.data import Dataset
    from tsprompt.report import Ablations
    from tsprompt_cli.runs import Runs

__all__ = ["compare"]

Sets = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA...",
        help="Files or folders of your own, or the archive's names of data sets, such as GunPoint.",
        autocompletion=completion.dataset_names,
        show_default=False,
    ),
]
Strategies = Annotated[
    str,
    typer.Option(
        metavar="SPEC,SPEC,...",
        help="What to compare. Options of a strategy follow a colon: autoencoder:latent=32.",
    ),
]


@flat
def compare(
    datasets: Sets,
    *,
    model: Model,
    machine: Machine,
    parting: Parting,
    strategies: Strategies = "shared,per-step,autoencoder",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds: 0, 1, ...")] = 1,
    new_splits: NewSplits = False,
    ablations: Annotated[
        bool,
        typer.Option(
            help="Also run one strategy with no language model, with random and with shuffled "
            "weights, with no prompt, and its placebo."
        ),
    ] = True,
    ablated: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC", help="Whose ablations; by default the first's.", show_default=False
        ),
    ] = None,
    kept: Kept,
    data_dir: DataDir = None,
) -> None:
    """Compare the strategies on data sets, over seeds."""
    from tsprompt.benchmark import check, plan_cells, plan_methods

    form = kept.check(*datasets, parting.test)
    loaded = _loaded(datasets, parting, data_dir)
    methods = plan_methods(
        split_specs(strategies),
        model.recipe,
        model.settings(),
        ablated=ablated,
        ablations=ablations,
    )
    check(methods)
    if parting.cv is not None:
        cells = plan_cells(list(loaded), methods, seeds, resamples=range(parting.cv))
    elif new_splits:
        cells = plan_cells(list(loaded), methods, resamples=range(seeds))
    else:
        cells = plan_cells(list(loaded), methods, seeds)
    runs = _run(cells, loaded, machine, kept.records)
    _print(runs.done, form, kept.output, "seed" if parting.cv is None else "part")
    if runs.say_failures():
        raise typer.Exit(1)


def _loaded(names: list[str], parting: Parting, data_dir: Path | None) -> dict[str, Loaded]:
    """The sets by the names that tables show; two files of one name would be one row there."""
    from tsprompt.errors import ConfigError

    found: dict[str, Loaded] = {}
    for name in dict.fromkeys(names):
        one = parting.load(name, data_dir)
        if one.dataset.name in found:
            raise ConfigError(
                f"two data sets are called {one.dataset.name}; give one of the files another name"
            )
        found[one.dataset.name] = one
        if one.own is not None:
            say("Read", "; ".join(one.own.understood), "cyan")
    return found


def _run(
    cells: Sequence[Cell], loaded: dict[str, Loaded], machine: Machine, folder: Path | None
) -> Runs:
    """All runs; what Ctrl-C finds finished is kept where records are."""
    from tsprompt_cli.runs import Runs

    def load(cell: Cell) -> Dataset:
        return loaded[cell.dataset].drawn(cell.resample)

    runs = Runs("comparing", cells, load, machine, folder)
    runs.run()
    return runs


def _legend(done: list[Record], what: str) -> str:
    from tsprompt.errors import counted

    seeds = counted(len({record.seed for record in done}), what)
    means = "" if seeds == f"1 {what}" else f", means over {seeds} (± their standard deviation)"
    return (
        f"[dim]All figures are of test{means}; the interval (Wilson) tells what other test cases "
        "would change; tokens and seconds are per run.[/dim]"
    )


def _print(done: list[Record], form: Format, output: Path | None, what: str) -> None:
    from tsprompt.report import (
        OVERALL,
        ablation_rows,
        ablations_in,
        comparison_tables,
        cost_table,
        render,
        settings_of,
        summarise,
    )

    summary = summarise(done, parts=what == "part")
    shares = ablations_in(summary, settings_of(done))
    if form is Format.TABLE:
        spaced = [one for made in comparison_tables(summary) for one in (made, "")]
        costs = cost_table(summary[summary["dataset"] == OVERALL])
        show(*spaced, costs, "", *_shares(shares), _legend(done, what))
    else:
        told = [record.as_dict() for record in done]
        more = {"ablations": ablation_rows(shares), "unshown": _unshown(shares)}
        emit(render(summary, form, **more, records=told), output)


def _shares(shares: list[Ablations]) -> list[RenderableType]:
    """What each part adds; of one set nothing can be said."""
    from tsprompt.base.names import for_terminal
    from tsprompt.report import ablation_tables

    sets = _sets(shares)
    if sets > 1:
        shown = [*ablation_tables(shares)]
        if why := _unshown(shares):
            shown += [for_terminal(why), ""]
        return shown
    told = "What each part of a model adds is told, with its interval, over two sets or more."
    return [f"[dim]{told}[/dim]"] if shares else []


def _unshown(shares: list[Ablations]) -> str | None:
    """Why not even one part by itself can be shown to add anything, if there are too few sets."""
    from tsprompt.report import why_unshown

    return why_unshown(_sets(shares), 1) if shares else None


def _sets(shares: list[Ablations]) -> int:
    return max((int(one.table["sets"].max()) for one in shares), default=0)
