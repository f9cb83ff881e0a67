"""`tsprompt curve`: accuracy against the number of train cases, and where it flattens."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from tsprompt_cli.option_groups import Machine, Model, flat
from tsprompt_cli.options import DataDir, SetName, Strategy
from tsprompt_cli.output import Format, emit, say, show
from tsprompt_cli.own_data import Parting
from tsprompt_cli.run_options import KeptAndDrawn, NewSplits

if TYPE_CHECKING:
    from tsprompt.advice import Curve
    from tsprompt.benchmark import Method

__all__ = ["curve"]


@flat
def curve(
    dataset: SetName,
    *,
    strategy: Strategy = None,
    model: Model,
    machine: Machine,
    parting: Parting,
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Numbers of train cases, beside all of them; by default all, half, a quarter, ... "
            "down to two of each class.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="How often parts of train are drawn, and models fitted.")
    ] = 5,
    new_splits: NewSplits = False,
    twin: Annotated[
        bool,
        typer.Option(
            help="Also show the same model without its language model (where that says nothing, "
            "with random weights)."
        ),
    ] = True,
    baseline: Annotated[
        str,
        typer.Option(
            metavar="SPEC,SPEC,...|none",
            help="Other classifiers beside it; see `tsprompt list baselines`.",
        ),
    ] = "ridge",
    kept: KeptAndDrawn,
    data_dir: DataDir = None,
) -> None:
    """Show what more data would bring: accuracy on test by the number of train cases."""
    from tsprompt.advice import CurvePlan
    from tsprompt.benchmark import check
    from tsprompt_cli.runs import Runs

    form = kept.check(dataset, parting.test)
    wanted = _sizes(sizes)
    loaded = parting.load(dataset, data_dir)
    if loaded.own is not None:
        say("Read", "; ".join(loaded.own.understood), "cyan")
    methods = _methods(model, strategy, twin=twin, baseline=baseline)
    check(methods)
    folds = parting.cv
    plan = CurvePlan.of(
        cache(loaded.drawn),
        methods,
        sizes=wanted,
        seeds=folds or seeds,
        splits=new_splits or folds is not None,
    )
    runs = Runs("curve", plan.cells(), plan.load, machine, kept.records, probe=len(methods))
    try:
        runs.run()
    except KeyboardInterrupt:
        if runs.done and form is Format.TABLE and kept.output is None:
            _print(plan.read(runs.done))
        raise
    made = plan.read(runs.done)
    _write(made, form, kept)
    if runs.say_failures():
        raise typer.Exit(1)


def _methods(model: Model, strategy: str | None, *, twin: bool, baseline: str) -> list[Method]:
    """The model, its twin, and baselines."""
    from tsprompt.backbones.catalogue import choose
    from tsprompt.base.spec import split_specs
    from tsprompt.benchmark import baseline as baseline_of
    from tsprompt.benchmark import named_methods, twins

    [own] = named_methods([model.recipe], [strategy] if strategy else [], model.settings())
    methods = [own]
    if twin:
        methods += twins(own, choose(str(own.resolved()["backbone"])))[:1]
    if baseline != "none":
        methods += [baseline_of(one) for one in split_specs(baseline)]
    return methods


def _sizes(text: str | None) -> list[int] | None:
    """The numbers that were asked for.

    Raises
    ------
    ConfigError
        One is no number.
    """
    from tsprompt.errors import ConfigError, Setting

    if text is None:
        return None
    items = [one.strip() for one in text.split(",") if one.strip()]
    numbers = [one for one in items if one != "all"]
    if wrong := next((one for one in numbers if not one.isdecimal()), None):
        raise ConfigError(
            Setting("sizes"), f": {wrong!r} is no whole number; give numbers such as 10,20,40"
        )
    return [int(one) for one in numbers]


def _write(made: Curve, form: Format, kept: KeptAndDrawn) -> None:
    from tsprompt.report import render

    if kept.html is not None:
        from tsprompt.advice.page import curve_page

        emit(curve_page(made), kept.html)
    if form is Format.TABLE:
        _print(made)
        return
    import pandas as pd

    told = made.as_dict()
    emit(render(pd.DataFrame(told.pop("points")), form, **told), kept.output)


def _print(made: Curve) -> None:
    from tsprompt_cli.display.advice import curve_shown

    show(*curve_shown(made))
