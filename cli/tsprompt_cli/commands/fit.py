"""`tsprompt fit`: fit a model on a data set, and see what it is worth."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt.base.spec import name_in
from tsprompt.errors import counted
from tsprompt_cli.display.lighter import lighter_lines, lighter_told
from tsprompt_cli.estimating import tell
from tsprompt_cli.fit_session import FitSession
from tsprompt_cli.option_groups import Machine, Model, flat
from tsprompt_cli.options import (
    DataDir,
    DryRun,
    Form,
    ScratchDir,
    ScratchDtype,
    Seed,
    SetName,
    Strategy,
)
from tsprompt_cli.output import Format, chosen, grid, say, show, show_json, table
from tsprompt_cli.own_data import Parting
from tsprompt_cli.places import PANEL, Workers
from tsprompt_cli.train_files import Spreading

if TYPE_CHECKING:
    from tsprompt.benchmark import Method, Record
    from tsprompt.data import Dataset

__all__ = ["fit"]


@flat
def fit(
    invoked: typer.Context,
    dataset: SetName,
    *,
    strategy: Strategy = None,
    model: Model,
    machine: Machine,
    parting: Parting,
    workers: Workers,
    block_cases: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Cases of a worker's task; by default 4,096, or two for each feature where these "
            "are more.",
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = None,
    send_cases: Annotated[
        bool,
        typer.Option(
            "--send-cases",
            help="Send the series to the workers, where these don't see a Parquet file of train "
            "and so can't read it.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where to save the model; by default models/SET-STRATEGY, or models/SET-RECIPE.",
            show_default=False,
        ),
    ] = None,
    ablations: Annotated[
        bool,
        typer.Option(
            help="Also fit the same model with no language model, and with random weights."
        ),
    ] = True,
    twin: Annotated[
        bool | None,
        typer.Option(
            "--twin/--no-twin",
            help="Say whether the model validates as well without a language model. By default "
            "unless --no-ablations is given and the fit took minutes.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    shots: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="K",
            help="Learn from K training cases of each class; K more of each are for validation, "
            "the rest is unlabelled. 0: no case has a label.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="With --shots: repeat draw and fit with N seeds, from --seed on, and give mean "
            "and spread. The first model is saved.",
        ),
    ] = 1,
    data_dir: DataDir = None,
    scratch_dir: ScratchDir = None,
    scratch_dtype: ScratchDtype = None,
    form: Form = None,
    dry_run: DryRun = False,
) -> None:
    """Fit a model, score it on test, save it.

    With --backend ray or dask, workers read train, and send sums from which the head is solved.
    """
    from tsprompt.base.names import for_file
    from tsprompt.benchmark import Method, check
    from tsprompt.errors import ConfigError

    if seeds > 1 and shots is None:
        raise ConfigError("--seeds repeats the draw of a few shots; give --shots K too")
    if dry_run and not workers.here:
        raise ConfigError("--dry-run is about this machine; leave --backend out")
    if scratch_dir is not None or scratch_dtype is not None:
        _lay_features_into(scratch_dir, scratch_dtype)
    spoken = chosen(form, None) is Format.TABLE
    method = Method("", "model", model.recipe, model.settings(strategy=strategy))
    name = _name(method, laid_out=strategy is not None)
    if parting.cv is not None and shots is not None:
        raise ConfigError("--cv and --shots each part the cases in a way of their own; give one")
    loaded = parting.load(dataset, data_dir, seed)
    method = Method(name, "model", model.recipe, method.settings)
    check([method], zero_shot=shots == 0)
    own = Spreading(block_cases, send_cases=send_cases)
    spread = own.over(workers, machine, parting, None if shots is not None else loaded)
    session = FitSession(loaded, method, machine, seed, spoken=spoken, shots=shots, workers=spread)
    if dry_run:
        session.show_data()
        tell(session.estimates(seeds, ablations=ablations, wanted=twin), chosen(form, None))
        return
    folder = output or Path("models") / for_file(f"{loaded.stem}-{name}")
    _check_folder(folder)
    _tell_of_replaced(folder, loaded.dataset)
    classifier, record = session.fit(folder)
    records = [record]
    try:
        records += session.twins(classifier) if ablations else []
        found = session.lighter(classifier, twin)
        records += session.repeat(records, range(seed + 1, seed + seeds))
    except KeyboardInterrupt:
        _track(records, folder)
        raise KeyboardInterrupt(f"the model itself is complete, in {folder}") from None
    light = _lighter_command(invoked, folder, classifier.parts_.backbone)
    if found is not None:
        session.save(classifier, folder, **lighter_told(found))
    if spoken:
        made = _results(records) if seeds == 1 else _spread(records)
        rare = session.imbalance_shown(records)
        show(
            "",
            made,
            *rare,
            "",
            *_report(record),
            grid(
                [
                    *_next(folder, parting.test or dataset, data_dir),
                    *lighter_lines(found, light),
                ]
            ),
        )
    else:
        told = [_told(one) for one in records]
        more = {**session.imbalance_told(), **lighter_told(found, light)}
        show_json({"saved": str(folder), "records": told, **more})
    _track(records, folder)


def _check_folder(folder: Path) -> None:
    """See that a model can be saved there, before it is fitted."""
    from tsprompt.base.files import check_writable
    from tsprompt.base.tensor_folder import check_target
    from tsprompt.model.saving import MODEL

    check_target(folder, MODEL)
    check_writable(folder / MODEL.header)


def _lay_features_into(folder: Path | None, dtype: str | None) -> None:
    """Use this folder, here and in processes that are started, once it has shown that it can be."""
    from tsprompt.base.scratch import SCRATCH_DIR, SCRATCH_DTYPE, Scratch

    scratch = Scratch(folder, dtype)
    if folder is not None:
        os.environ[SCRATCH_DIR] = str(scratch.folder.absolute())
    if dtype is not None:
        os.environ[SCRATCH_DTYPE] = dtype


def _name(method: Method, *, laid_out: bool) -> str:
    """What a row and a folder are called: by the strategy, or by a recipe that is not the default;
    by both, if the recipe is given another strategy than its own."""
    strategy = name_in(str(method.resolved()["strategy"]))
    if method.recipe == "default":
        return strategy
    return f"{method.recipe}-{strategy}" if laid_out else str(method.recipe)


def _told(record: Record) -> dict[str, Any]:
    """A record for JSON, and the interval of its accuracy."""
    from tsprompt.benchmark.intervals import accuracy_interval

    return {**record.as_dict(), "accuracy_interval": accuracy_interval(record)}


def _interval(record: Record, tested: str) -> str:
    """How far the accuracy can be trusted, in a line."""
    from tsprompt.base.numbers import between
    from tsprompt.benchmark.intervals import accuracy_interval

    ends = accuracy_interval(record) or (None, None)
    return (
        f"{tested}: {counted(record.n_test or 0, 'case')}, 95 % interval {between(*ends)} (Wilson)"
    )


def _results(records: list[Record]) -> Any:
    from tsprompt.base.names import for_terminal
    from tsprompt.base.numbers import count, seconds, share

    seconds_of = ("fit\nseconds", "predict\nseconds")
    folds = "fold sd" in records[0].report
    tested = ("out of fold", "±") if folds else ("test",)
    heads = ("train", "validation", *tested, *seconds_of, "trainable", "total")
    made = table("model", *heads, right=heads, title="Accuracy, time, parameters")
    made.caption = f"validation: {records[0].validation}\n{_interval(records[0], tested[0])}"
    made.caption_justify = "left"
    for record in records:
        made.add_row(
            for_terminal(record.method),
            share(record.train_accuracy),
            share(record.validation_accuracy),
            share(record.accuracy),
            *([share(record.report.get("fold sd"))] if folds else []),
            seconds(record.fit_seconds),
            seconds(record.predict_seconds),
            count(record.trainable_parameters),
            count(record.total_parameters),
            style="bold" if record is records[0] else "",
        )
    return made


def _spread(records: list[Record]) -> Any:
    """Mean and standard deviation over the seeds, for each method."""
    import numpy as np

    from tsprompt.base.names import for_terminal
    from tsprompt.base.numbers import share

    by_method: dict[str, list[float]] = {}
    for record in records:
        by_method.setdefault(record.method, []).append(record.accuracy or 0.0)
    heads = ("mean", "sd", "least", "most", "runs")
    seeds = sorted({record.seed for record in records})
    title = f"Test, {records[0].shots} shots, seeds {seeds[0]} to {seeds[-1]}"
    made = table("model", *heads, right=heads, title=title)
    first = dataclasses.replace(records[0], accuracy=float(np.mean(by_method[records[0].method])))
    made.caption, made.caption_justify = _interval(first, "mean"), "left"
    for number, (name, own) in enumerate(by_method.items()):
        figures = (np.mean(own), np.std(own, ddof=1), min(own), max(own))
        made.add_row(
            for_terminal(name),
            *(share(float(one)) for one in figures),
            str(len(own)),
            style="" if number else "bold",
        )
    return made


def _report(record: Record) -> list[Any]:
    """Further figures of the fit, if there are any."""
    from tsprompt_cli.display.summaries import figures

    return [grid(figures(record.report)), ""] if record.report else []


def _tell_of_replaced(folder: Path, data: Dataset) -> None:
    """Say so where a model of other data gives way to this one."""
    from tsprompt.base.files import exists
    from tsprompt.base.tensor_folder import read_header
    from tsprompt.errors import ModelFileError
    from tsprompt.model.saving import MODEL

    if not exists(folder.expanduser() / MODEL.header):
        return
    try:
        details = read_header(folder.expanduser(), MODEL).get("details")
    except ModelFileError:  # damaged, or of another version: nothing can be said of its data
        return
    details = details if isinstance(details, dict) else {}
    name, hashes = details.get("dataset"), details.get("data_sha256")
    if isinstance(name, str) and (name, hashes) != (data.name, dict(data.sha256)):
        other = "another file, or an earlier content, called " if name == data.name else ""
        say("Note", f"{folder}: this replaces the model of {other}{name}", "cyan")


def _lighter_command(invoked: typer.Context, folder: Path, backbone: str) -> str:
    """What fits and saves the twin without a language model."""
    from tsprompt.backbones.catalogue import split_name
    from tsprompt_cli.again import again

    changed = {"backbone": f"none:{split_name(backbone)[1]}", "output": f"{folder}-no-lm"}
    return again(invoked, **changed, prompt_from=None, form=None, twin=None)


def _track(records: list[Record], folder: Path) -> None:
    """The runs in MLflow, where that is asked for; the first is of the model that was saved."""
    from tsprompt.base.tensor_folder import digest_of, read_header
    from tsprompt.model.saving import MODEL
    from tsprompt_cli.display.progress_bars import working
    from tsprompt_cli.tracking import tracker

    track = tracker("tsprompt")
    if track.address is None:
        return
    digest = digest_of(read_header(folder.expanduser(), MODEL))
    with working("logging to MLflow") as work:
        work.start("logging to MLflow")
        track.log(records[0], model_digest=digest)
        for record in records[1:]:
            track.log(record)
    track.tell()


def _next(folder: Path, name: str | Path, data_dir: Path | None) -> list[tuple[str, str]]:
    where = ["--data-dir", str(data_dir)] if data_dir else []
    return [
        ("saved", str(folder)),
        ("next", shlex.join(["tsprompt", "show", str(folder)])),
        ("", shlex.join(["tsprompt", "predict", str(folder), str(name), *where])),
    ]
