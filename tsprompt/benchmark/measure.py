"""One cell: what it is called, how it is run, and what is written down of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import spec_of
from tsprompt.base.version import __version__
from tsprompt.benchmark.contender import contender_of
from tsprompt.benchmark.environment import commit, hardware, versions
from tsprompt.benchmark.plan import Cell, Method
from tsprompt.benchmark.record import Record, read_record
from tsprompt.benchmark.scores import score
from tsprompt.data import Dataset
from tsprompt.errors import TspromptError, TspromptNotice

if TYPE_CHECKING:
    from tsprompt.baselines import Baseline
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.design import Design
    from tsprompt.model.spread import Spread

__all__ = [
    "Machine",
    "Predictions",
    "build",
    "cell_name",
    "check",
    "choices_of",
    "failed",
    "measure",
    "options_of",
    "record_file",
    "run_cell",
    "run_cells",
]


_LONGEST = 120
"""Characters of set and method in a run's name; the digest tells runs apart."""


@dataclass(frozen=True)
class Machine:
    """Where and how the language model runs."""

    device: str = "auto"
    dtype: str = "auto"
    batch_tokens: int | None = None


@dataclass(frozen=True)
class Predictions:
    """What a classifier said of test."""

    truth: npt.NDArray[Any]
    """(B,)"""
    predicted: npt.NDArray[Any]
    """(B,)"""
    chances: npt.NDArray[np.float64]
    """Probabilities (B, C), in the order of `classes`."""
    classes: list[str]


def run_cells(
    cells: Iterable[Cell],
    load: Callable[[Cell], Dataset],
    machine: Machine = Machine(),
    records: Path | None = None,
) -> Iterator[Record]:
    """Run cells one by one; each record is given as soon as it is there.

    Parameters
    ----------
    load
        Gives the set of a cell, in its resample, with its shots.
    records
        A folder with one JSON for each run. A run whose record is there is not made again, unless
        it failed: the cause may be gone.
    """
    for cell in cells:
        dataset = load(cell)
        path = record_file(records, cell, dataset, machine) if records else None
        record = read_record(path) if path and path.is_file() else None
        if record is None or not record.ok:
            record, _ = run_cell(cell, dataset, machine)
            if path:
                record.write(path)
        yield record


def record_file(records: Path, cell: Cell, dataset: Dataset, machine: Machine) -> Path:
    """Where `run_cells` keeps the record of a cell."""
    return records / f"{cell_name(cell, machine, dataset.sha256)}.json"


def run_cell(
    cell: Cell, dataset: Dataset, machine: Machine = Machine()
) -> tuple[Record, Predictions | None]:
    """Run it. What goes wrong is written down, and there are no predictions then."""
    try:
        return measure(build(cell, machine), cell, dataset)
    except TspromptError as error:
        return failed(cell, str(error)), None
    except Exception as error:  # the others go on; the record keeps what a bug report needs
        trace = traceback.format_exc()
        return failed(cell, f"{type(error).__name__}: {error}", trace=trace), None


def check(methods: Iterable[Method], *, zero_shot: bool = False) -> None:
    """See that all methods can be built and their language models be had: before the first run.

    Parameters
    ----------
    zero_shot
        See also that none of them must learn from cases.

    Raises
    ------
    ConfigError
        A choice is unknown, out of range, or contradicts another one.
    BackboneError
        A language model is not to be had.
    ModelFileError
        A prompt to start from is not to be had.
    """
    from tsprompt.baselines import baselines
    from tsprompt.model.design import Design
    from tsprompt.model.warm_start import read_sources

    for method in methods:
        if method.kind == "baseline":
            baselines.build(method.settings["baseline"]).check()
        else:
            parts = Design.build(method.resolved())
            if zero_shot:
                parts.check_zero_shot()
            parts.choose_layers()
            read_sources(parts.prompt_from)


def build(cell: Cell, machine: Machine) -> PromptClassifier | Baseline:
    """The unfitted classifier of a cell."""
    if cell.method.kind == "baseline":
        from tsprompt.baselines import baselines

        baseline = baselines.build(cell.method.settings["baseline"])
        baseline.random_state = cell.seed
        baseline.device = machine.device
        return baseline
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.design import Design

    import_for(Design.build(cell.method.resolved()))
    return PromptClassifier(
        cell.method.recipe,
        **cell.method.settings,
        **dataclasses.asdict(machine),
        random_state=cell.seed,
    )


def import_for(design: Design) -> None:
    """Import what a run that trains more than a ridge needs: seconds that are not those of its
    first fit, nor of each run that is forked."""
    if (design.tuner.name, design.head.name) != ("none", "ridge"):
        for module in ("torch._dynamo", "peft"):  # the former by torch's optimisers
            import_module(module)


def measure(
    classifier: PromptClassifier | Baseline,
    cell: Cell,
    dataset: Dataset,
    stage: Callable[[str], None] = lambda _: None,
    workers: Spread | None = None,
) -> tuple[Record, Predictions]:
    """Fit on train, then read test once, and write down what came of it.

    Parameters
    ----------
    stage
        Is told what begins: `fitting`, then `predicting`.
    workers
        Who reads train; None: this process.
    """
    from tsprompt.base.accelerator import peak_bytes, reset_peak, synchronise

    test, contender = dataset.test, contender_of(classifier, workers)
    with noting() as notes:
        stage("fitting")
        reset_peak()
        synchronise()  # what a GPU still does for others is none of this run's time
        started = time.perf_counter()
        contender.fit(dataset)
        synchronise()
        fit_seconds = time.perf_counter() - started
        figures = contender.figures()
        # What the fit has settled (`auto`) stands in place of what was asked for.
        figures["options"] = {**options_of(cell.method), **figures["options"]}
        stage("predicting")
        started = time.perf_counter()
        chances = classifier.predict_proba(test.cases)
        synchronise()
        predict_seconds = time.perf_counter() - started
        tokens, gpu_bytes = contender.tokens(), peak_bytes()
        model_bytes = contender.saved_bytes()
    classes = classifier.classes_.tolist()
    predicted = classifier.classes_[chances.argmax(axis=1)]
    scores = score(test.labels, predicted, chances, classes)
    record = Record(
        **_identity(cell),
        status="ok",
        data_sha256=dict(dataset.sha256),
        n_train=len(dataset.train),
        n_test=len(test),
        n_classes=len(dataset.classes),
        **dataclasses.asdict(scores),
        **figures,
        **tokens,
        model_bytes=model_bytes,
        notes=notes,
        fit_seconds=fit_seconds,
        predict_seconds=predict_seconds,
        peak_gpu_memory_bytes=gpu_bytes,
        **_environment(),
    )
    return record, Predictions(test.labels, predicted, chances, classes)


def failed(cell: Cell, error: str, *, status: str = "failed", trace: str | None = None) -> Record:
    """The record of a run that did not go through."""
    return Record(**_identity(cell), status=status, error=error, traceback=trace, **_environment())


def _environment() -> dict[str, Any]:
    return {"versions": versions(), "hardware": hardware(), "commit": commit()}


def _identity(cell: Cell) -> dict[str, Any]:
    settings = choices_of(cell.method)
    return {
        "dataset": cell.dataset,
        "method": cell.method.name,
        "kind": cell.method.kind,
        "seed": cell.seed,
        "resample": cell.resample,
        "shots": cell.shots,
        "recipe": None if cell.method.kind == "baseline" else cell.method.recipe,
        "strategy": settings.get("strategy"),
        "settings": settings,
    }


def choices_of(method: Method) -> dict[str, Any]:
    """All choices of a method, as a record has them."""
    return {key: spec_of(value) for key, value in method.resolved().items()}


def cell_name(cell: Cell, machine: Machine, data: Mapping[str, str] | None = None) -> str:
    """The name of a run's files: readable, and another one if anything that matters is another.

    Parameters
    ----------
    data
        SHA-256 of the set's files, where a record may outlive them.
    """
    matters = {
        "cell": _identity(cell),
        "options": options_of(cell.method),
        "data": dict(data or {}),
        "machine": dataclasses.asdict(machine),
        "version": __version__,
    }
    if cell.file is not None:  # where it lies does not matter
        matters["file"] = {"options": cell.file.options, "sha256": cell.file.sha256}
    digest = hashlib.sha256(json.dumps(matters, sort_keys=True).encode()).hexdigest()
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{cell.dataset}.{cell.method.name}").strip("-")
    return f"{words[:_LONGEST]}-seed{cell.seed}-{digest[:12]}"


def options_of(method: Method) -> dict[str, Any]:
    """Every option of every part, and the hashes of prompts that are started from: a default that
    has changed since makes another run. Empty where the method can't be built."""
    from tsprompt.backbones.catalogue import choose
    from tsprompt.baselines import baselines
    from tsprompt.model.design import Design

    try:
        if method.kind == "baseline":
            return {"baseline": baselines.build(method.settings["baseline"]).spec(full=True)}
        parts = Design.build(method.resolved())
        with warnings.catch_warnings():  # the run itself says which model stands in for another
            warnings.simplefilter("ignore", TspromptNotice)
            parts.backbone = choose(parts.backbone)
        return {**parts.specs(full=True), **_contents(parts.prompt_from)}
    except TspromptError:  # the record will say that it can't be built
        return {}


def _contents(folders: str | None) -> dict[str, Any]:
    """Hashes of the prompts that are started from: other prompts make another run."""
    if folders is None:
        return {}
    from tsprompt.model.warm_start import fingerprints

    return {"prompts": fingerprints(folders)}


@contextmanager
def noting() -> Iterator[list[str]]:
    """Collect the notices of a block, and pass every warning on."""
    notes: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", TspromptNotice)
        show = warnings.showwarning

        def keep(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, TspromptNotice) and str(message) not in notes:
                notes.append(str(message))
            show(message, category, *where, **more)

        warnings.showwarning = keep
        yield notes
