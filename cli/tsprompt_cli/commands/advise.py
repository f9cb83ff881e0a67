"""`tsprompt advise`: which training strategy for this much data, judged inside train."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.option_groups import Machine, flat
from tsprompt_cli.options import DataDir, Seed, SetName, part_option
from tsprompt_cli.output import Format, emit, say, show
from tsprompt_cli.own_data import Parting
from tsprompt_cli.run_options import KeptAndDrawn

if TYPE_CHECKING:
    from tsprompt.advice import Advice, AdvicePlan

__all__ = ["advise"]


@dataclass(frozen=True)
class Shared:
    """Choices that all strategies share."""

    preprocessing: Annotated[
        str | None, part_option("preprocessing", "standard:missing=mean,length=100")
    ] = None
    tokenizer: Annotated[str | None, part_option("tokenizer", "kernels:steps=24")] = None
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The language model, as `tsprompt fit` takes it.",
            show_default=False,
        ),
    ] = None
    epochs: Annotated[
        int,
        typer.Option(min=1, help="The most passes over train of strategies that train by descent."),
    ] = 20
    layer: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            help="Read the mask at this layer, and run and train none behind it: quicker. By "
            "default the last; the plain default keeps its own.",
            show_default=False,
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """Those that were made."""
        names = ("preprocessing", "tokenizer", "backbone")
        made = {name: getattr(self, name) for name in names}
        return {name: value for name, value in made.items() if value is not None}


@flat
def advise(
    dataset: SetName,
    *,
    shared: Shared,
    machine: Machine,
    parting: Parting,
    levels: Annotated[
        str,
        typer.Option(
            metavar="N,N,...,all",
            help="Cases of each class to learn from; a level that a class is too small for is "
            "left out.",
        ),
    ] = "5,10,20,all",
    splits: Annotated[
        int, typer.Option(min=2, help="How often train is parted, to learn from and to judge by.")
    ] = 5,
    held_out: Annotated[
        float, typer.Option(metavar="SHARE", help="The share of train that is judged by.")
    ] = 0.25,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="MINUTES",
            help="Begin no run that would end later, and advise by those that were made.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    kept: KeptAndDrawn,
    data_dir: DataDir = None,
) -> None:
    """Say which training strategy suits this much data, by train alone: test is not read."""
    from tsprompt.advice import AdvicePlan, training_strategies
    from tsprompt.benchmark import check
    from tsprompt.errors import ConfigError, Setting
    from tsprompt_cli.runs import Runs

    form = kept.check(dataset, parting.test)
    if parting.cv is not None:
        raise ConfigError(
            Setting("cv"),
            " parts cases into train and test, and advice parts train alone; give ",
            Setting("splits", parting.cv),
        )
    wanted = _levels(levels)
    strategies = training_strategies(shared.settings(), epochs=shared.epochs, layer=shared.layer)
    check(one.method for one in strategies)
    loaded = parting.load(dataset, data_dir, seed)
    if loaded.own is not None:
        say("Read", "; ".join(loaded.own.understood), "cyan")
    plan = AdvicePlan.of(
        loaded.dataset,
        strategies,
        levels=wanted,
        splits=splits,
        share=held_out,
        seed=seed,
        groups=loaded.own.groups_of_train if loaded.own else None,
    )
    for one in plan.left_out:
        say("Left out", one, "cyan")
    seconds = None if budget is None else 60 * budget
    runs = Runs(
        "advice",
        plan.cells(),
        plan.load,
        machine,
        kept.records,
        probe=len(strategies),
        budget=seconds,
    )
    command = _fit(dataset, parting, data_dir)
    try:
        runs.run()
    except KeyboardInterrupt:
        if runs.done and form is Format.TABLE and kept.output is None:
            _print(_read(plan, runs), command)
        raise
    made = _read(plan, runs)
    _write(made, form, kept, command)
    if runs.say_failures():
        raise typer.Exit(1)


def _read(plan: AdvicePlan, runs: Any) -> Advice:
    """What the runs say, and how many were not begun for the budget."""
    import dataclasses

    made = plan.read(runs.done)
    missing = len(runs.cells) - len(runs.done)
    if not missing:
        return made
    told = f"{missing} of {len(runs.cells)} runs were not made"
    return dataclasses.replace(made, left_out=[*made.left_out, told])


def _fit(dataset: str, parting: Parting, data_dir: Path | None) -> str:
    """What fits a model on these data, read and parted as here."""
    from tsprompt.errors import Setting
    from tsprompt_cli.messages import as_flag

    words = [shlex.join(["tsprompt", "fit", dataset])]
    words += [as_flag(Setting(name, getattr(parting, name))) for name in parting.said]
    if data_dir is not None:
        words.append(as_flag(Setting("data_dir", data_dir)))
    return " ".join(words)


def _levels(text: str) -> list[int | None]:
    """The levels that were asked for.

    Raises
    ------
    ConfigError
        One is neither a number nor `all`.
    """
    from tsprompt.errors import ConfigError, Setting

    items = [one.strip() for one in text.split(",") if one.strip()]
    if wrong := next((one for one in items if one != "all" and not one.isdecimal()), None):
        raise ConfigError(
            Setting("levels"),
            f": {wrong!r} is no number of cases; give numbers and all, such as 5,10,all",
        )
    return [None if one == "all" else int(one) for one in items]


def _write(made: Advice, form: Format, kept: KeptAndDrawn, command: str) -> None:
    from tsprompt.report import render

    if kept.html is not None:
        from tsprompt.advice.page import advice_page

        emit(advice_page(made, command), kept.html)
    if form is Format.TABLE:
        _print(made, command)
        return
    import pandas as pd

    told = made.as_dict()
    emit(render(pd.DataFrame(made.rows()), form, **told), kept.output)


def _print(made: Advice, command: str) -> None:
    from tsprompt_cli.display.advice import advice_shown

    show(*advice_shown(made, command))
