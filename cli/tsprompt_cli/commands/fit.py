"""`tsprompt fit`: fit a model on a data set, and see what it is worth."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.options import DataDir, Form, Machine, Model, Seed, SetName, Strategy, flat
from tsprompt_cli.output import Format, chosen, grid, show, show_json, table

if TYPE_CHECKING:
    from tsprompt.benchmark import Method, Record
    from tsprompt.classifier import PromptClassifier
    from tsprompt.data import Dataset

__all__ = ["fit"]


@flat
def fit(
    dataset: SetName,
    *,
    strategy: Strategy = None,
    model: Model,
    machine: Machine,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where to save the model; by default models/SET-STRATEGY.",
            show_default=False,
        ),
    ] = None,
    ablations: Annotated[
        bool,
        typer.Option(
            help="Also fit the same model with no language model, and with random weights."
        ),
    ] = True,
    seed: Seed = 0,
    data_dir: DataDir = None,
    form: Form = None,
) -> None:
    """Fit a model, score it on test, save it."""
    from tsprompt.benchmark import Method, check
    from tsprompt_cli.saving import check_folder
    from tsprompt_datasets import load_dataset

    spoken = chosen(form, None) is Format.TABLE
    method = Method("", "model", model.recipe, model.settings(strategy=strategy))
    laid_out = str(method.resolved()["strategy"]).partition(":")[0]
    folder = output or Path("models") / f"{dataset}-{laid_out}"
    data = load_dataset(dataset, data_dir=data_dir)
    check_folder(folder)
    method = Method(laid_out, "model", model.recipe, method.settings)
    check([method])
    session = _Session(data, method, machine, seed, spoken)
    classifier, record = session.fit(folder)
    try:
        records = [record, *(session.twins(classifier) if ablations else ())]
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the model itself is complete, in {folder}") from None
    if spoken:
        show("", _results(records), "", *_report(record), _next(folder, dataset, data_dir))
    else:
        show_json({"saved": str(folder), "records": [one.as_dict() for one in records]})


class _Session:
    """One run of the command: the model first, then its twins."""

    def __init__(
        self, data: Dataset, method: Method, machine: Machine, seed: int, spoken: bool
    ) -> None:
        self.data, self.method, self.machine = data, method, machine
        self.seed, self.spoken = seed, spoken

    def fit(self, folder: Path) -> tuple[PromptClassifier, Record]:
        """Fit, score, save."""
        from tsprompt_cli.saving import details
        from tsprompt_cli.words import data_lines
        from tsprompt_datasets import describe_dataset

        if self.spoken:
            show(grid([*data_lines(describe_dataset(self.data))]))
        classifier, record = self._measure(self.method)
        classifier.save(folder, **details(self.data, record))
        if self.spoken:
            show(grid(self._laid_out(classifier)))
        return classifier, record

    def twins(self, classifier: PromptClassifier) -> list[Record]:
        """The same with no language model and with random weights."""
        from tsprompt.benchmark import twins

        methods = twins(self.method, classifier.parts_.backbone)
        return [self._measure(method)[1] for method in methods]

    def _measure(self, method: Method) -> tuple[Any, Record]:
        from tsprompt.benchmark import Cell, build, measure
        from tsprompt_cli.bars import working

        cell = Cell(self.data.name, method, self.seed)
        with working(f"{method.name}: loading") as work:
            classifier = build(cell, self.machine.library())
            record, _ = measure(
                classifier, cell, self.data, lambda stage: work.start(f"{method.name}: {stage}")
            )
        return classifier, record

    def _laid_out(self, classifier: PromptClassifier) -> list[tuple[str, Any]]:
        from tsprompt.describe import layout
        from tsprompt_cli.words import layout_line, reading_line

        sizes = layout(classifier)
        timesteps = int(self.data.train.cases.lengths.max())
        return [
            ("layout", layout_line(sizes, timesteps)),
            ("model", f"{classifier.parts_.backbone}, {reading_line(sizes)}"),
        ]


def _results(records: list[Record]) -> Any:
    from tsprompt.report.words import count, seconds, share

    seconds_of = ("fit\nseconds", "predict\nseconds")
    heads = ("train", "validation", "test", *seconds_of, "trainable", "total")
    title = f"Accuracy (validation: {records[0].validation}), time, parameters"
    made = table("model", *heads, right=heads, title=title)
    for record in records:
        made.add_row(
            record.method,
            share(record.train_accuracy),
            share(record.validation_accuracy),
            share(record.accuracy),
            seconds(record.fit_seconds),
            seconds(record.predict_seconds),
            count(record.trainable_parameters),
            count(record.total_parameters),
            style="bold" if record is records[0] else "",
        )
    return made


def _report(record: Record) -> list[Any]:
    """Further figures of the fit, if there are any."""
    from tsprompt_cli.words import figures

    return [grid(figures(record.report)), ""] if record.report else []


def _next(folder: Path, name: str, data_dir: Path | None) -> Any:
    where = ["--data-dir", str(data_dir)] if data_dir else []
    return grid(
        [
            ("saved", str(folder)),
            ("next", shlex.join(["tsprompt", "show", str(folder)])),
            ("", shlex.join(["tsprompt", "predict", str(folder), name, *where])),
        ]
    )
