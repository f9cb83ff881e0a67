"""`tsprompt fit`: fit a model on a data set, and see what it is worth."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt.base.spec import name_in
from tsprompt_cli.options import DataDir, Form, Machine, Model, Seed, SetName, Strategy, flat
from tsprompt_cli.output import Format, chosen, grid, show, show_json, table
from tsprompt_cli.own_data import Loaded, Parting

if TYPE_CHECKING:
    from tsprompt.benchmark import Method, Predictions, Record
    from tsprompt.benchmark.imbalance import Imbalance
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
    parting: Parting,
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
    form: Form = None,
) -> None:
    """Fit a model, score it on test, save it."""
    from tsprompt.base.files import check_writable
    from tsprompt.base.names import for_file
    from tsprompt.base.tensor_folder import check_target
    from tsprompt.benchmark import Method, check
    from tsprompt.errors import ConfigError
    from tsprompt.model.saving import MODEL

    if seeds > 1 and shots is None:
        raise ConfigError("--seeds repeats the draw of a few shots; give --shots K too")
    spoken = chosen(form, None) is Format.TABLE
    method = Method("", "model", model.recipe, model.settings(strategy=strategy))
    name = _name(method, laid_out=strategy is not None)
    if parting.cv is not None and shots is not None:
        raise ConfigError("--cv and --shots each part the cases in a way of their own; give one")
    loaded = parting.load(dataset, data_dir, seed)
    folder = output or Path("models") / for_file(f"{loaded.stem}-{name}")
    check_target(folder, MODEL)
    check_writable(folder / MODEL.header)
    _tell_of_replaced(folder, loaded.dataset)
    method = Method(name, "model", model.recipe, method.settings)
    check([method], zero_shot=shots == 0)
    session = _Session(loaded, method, machine, seed, spoken=spoken, shots=shots)
    classifier, record = session.fit(folder)
    records = [record]
    try:
        records += session.twins(classifier) if ablations else []
        records += session.repeat(records, range(seed + 1, seed + seeds))
    except KeyboardInterrupt:
        _track(records, folder)
        raise KeyboardInterrupt(f"the model itself is complete, in {folder}") from None
    if spoken:
        made = _results(records) if seeds == 1 else _spread(records)
        rare = session.imbalance_shown(records)
        show(
            "", made, *rare, "", *_report(record), _next(folder, parting.test or dataset, data_dir)
        )
    else:
        told = [_told(one) for one in records]
        show_json({"saved": str(folder), "records": told, **session.imbalance_told()})
    _track(records, folder)


def _name(method: Method, *, laid_out: bool) -> str:
    """What a row and a folder are called: by the strategy, or by a recipe that is not the default;
    by both, if the recipe is given another strategy than its own."""
    strategy = name_in(str(method.resolved()["strategy"]))
    if method.recipe == "default":
        return strategy
    return f"{method.recipe}-{strategy}" if laid_out else str(method.recipe)


class _Session:
    """One run of the command: the model first, then its twins."""

    def __init__(
        self,
        loaded: Loaded,
        method: Method,
        machine: Machine,
        seed: int,
        *,
        spoken: bool,
        shots: int | None,
    ) -> None:
        self.loaded, self.method, self.machine = loaded, method, machine
        self.whole, self.folds = loaded.dataset, loaded.folds()
        self.seed, self.spoken, self.shots = seed, spoken, shots
        self.data = self._drawn(seed)
        self._methods: dict[str, Method] = {}
        self._said: dict[str, Predictions] = {}
        """What each method said of test, with the first seed."""

    def _drawn(self, seed: int) -> Dataset:
        """The set, its train cut down to the shots."""
        from tsprompt_datasets import few_shot

        return self.whole if self.shots is None else few_shot(self.whole, self.shots, seed)

    def repeat(self, records: list[Record], seeds: range) -> list[Record]:
        """The methods of these records with other seeds, that is, other draws of the shots."""
        return [
            self._measure(self._methods[record.method], seed)[1]
            for seed in seeds
            for record in records
        ]

    def fit(self, folder: Path) -> tuple[PromptClassifier, Record]:
        """Fit, score, save."""
        from tsprompt_cli.display.summaries import data_lines, shot_lines
        from tsprompt_datasets import describe_dataset

        if self.spoken:
            about = data_lines(describe_dataset(self.whole))
            show(grid([*about, *self.loaded.understood(), *shot_lines(self.data)]))
        classifier, record = self._measure(self.method)
        if self.folds:
            classifier = self._fit_whole()
        classifier.save(folder, **_details(self.data, record), **self.loaded.details())
        if self.spoken:
            show(grid(self._laid_out(classifier)))
        return classifier, record

    def twins(self, classifier: PromptClassifier) -> list[Record]:
        """The same with no language model and with random weights."""
        from tsprompt.benchmark import twins

        methods = twins(self.method, classifier.parts_.backbone)
        return [self._measure(method)[1] for method in methods]

    def _measure(self, method: Method, seed: int | None = None) -> tuple[Any, Record]:
        from tsprompt.benchmark import Cell, build, measure, measure_folds
        from tsprompt_cli.display.progress_bars import working

        self._methods[method.name] = method
        data = self.data if seed is None else self._drawn(seed)
        cell = Cell(data.name, method, self.seed if seed is None else seed, shots=self.shots)
        with working(f"{method.name}: loading") as work:

            def told(stage: str) -> None:
                work.start(f"{method.name}: {stage}")

            if self.folds:
                classifier = None
                record, said = measure_folds(cell, self.folds, self.machine.library(), told)
            else:
                classifier = build(cell, self.machine.library())
                record, said = measure(classifier, cell, data, told)
        self._said.setdefault(method.name, said)
        return classifier, record

    @property
    def _rare(self) -> Imbalance | None:
        """Whether some classes are rare in what is learned from."""
        from tsprompt.benchmark.imbalance import imbalance_of

        return None if self.shots == 0 else imbalance_of(self.data.train.labels)

    def imbalance_shown(self, records: list[Record]) -> list[Any]:
        """A table of how the rarest class fares, where it is rare."""
        from tsprompt_cli.display.imbalance import imbalance_table

        own = [one for one in records if one.seed == self.seed]
        weighted = "class_weight" in self.method.settings
        if (rare := self._rare) is None:
            return []
        return ["", imbalance_table(rare, own, self._said, weighted=weighted)]

    def imbalance_told(self) -> dict[str, Any]:
        """The same for JSON."""
        from tsprompt_cli.display.imbalance import imbalance_lines

        return (
            {} if (rare := self._rare) is None else {"imbalance": imbalance_lines(rare, self._said)}
        )

    def _fit_whole(self) -> Any:
        """The model that is saved where each part was test once: fitted on all cases."""
        from tsprompt.benchmark import Cell, build
        from tsprompt_cli.display.progress_bars import working

        whole = self.loaded.whole
        assert whole is not None
        with working(f"{self.method.name}: all cases") as work:
            work.start(f"{self.method.name}: fitting all cases")
            cell = Cell(self.data.name, self.method, self.seed)
            return build(cell, self.machine.library()).fit(whole.cases, whole.labels)

    def _laid_out(self, classifier: PromptClassifier) -> list[tuple[str, Any]]:
        from tsprompt.model.layout import layout
        from tsprompt_cli.display.summaries import layout_line, reading_line

        sizes = layout(classifier.fitted_)
        return [
            ("layout", layout_line(sizes, self.data.timesteps)),
            ("model", f"{classifier.parts_.backbone}, {reading_line(sizes)}"),
        ]


def _told(record: Record) -> dict[str, Any]:
    """A record for JSON, and the interval of its accuracy."""
    from tsprompt.benchmark.intervals import accuracy_interval

    return {**record.as_dict(), "accuracy_interval": accuracy_interval(record)}


def _interval(record: Record, tested: str) -> str:
    """How far the accuracy can be trusted, in a line."""
    from tsprompt.base.numbers import between
    from tsprompt.benchmark.intervals import accuracy_interval

    ends = accuracy_interval(record) or (None, None)
    return f"{tested}: {record.n_test} cases, 95 % interval {between(*ends)} (Wilson)"


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
    from tsprompt_cli.output import say

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


def _next(folder: Path, name: str | Path, data_dir: Path | None) -> Any:
    where = ["--data-dir", str(data_dir)] if data_dir else []
    return grid(
        [
            ("saved", str(folder)),
            ("next", shlex.join(["tsprompt", "show", str(folder)])),
            ("", shlex.join(["tsprompt", "predict", str(folder), str(name), *where])),
        ]
    )


def _details(data: Dataset, record: Record) -> dict[str, Any]:
    """What the model's file says of the set that it was fitted on."""
    return {
        "dataset": data.name,
        "source": data.source,
        "data_sha256": dict(data.sha256),
        "n_train": len(data.train),
        "seed": record.seed,
        "shots": record.shots,
        "timesteps": data.timesteps,
        "test": {
            "cases": len(data.test),
            "accuracy": record.accuracy,
            "balanced_accuracy": record.balanced_accuracy,
            "macro_f1": record.macro_f1,
            "log_loss": record.log_loss,
        },
        "predict_seconds": record.predict_seconds,
        "notes": record.notes,
    }
