"""`tsprompt explain`: which part of a series decided, and which train cases look like it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.commands.predict import Input
from tsprompt_cli.new_cases import NewCases, new_cases
from tsprompt_cli.options import DataDir, Digest, Form, Machine, Output, Saved, flat, folder_of
from tsprompt_cli.output import Format, chosen, emit, say, show
from tsprompt_cli.own_data import Reading

if TYPE_CHECKING:
    from tsprompt.data import Cases
    from tsprompt.explanations import Explanations

__all__ = ["explain"]

_SHOWN = 3
"""Cases that the terminal shows where nobody says which."""


def _option(what: str, metavar: str) -> Any:
    return typer.Option(help=what, metavar=metavar, show_default=False)


@flat
def explain(
    model: Saved,
    source: Input,
    *,
    machine: Machine,
    reading: Reading,
    case: Annotated[
        list[str] | None,
        _option("A case by its name, or by its number from 1; give it several times.", "ID"),
    ] = None,
    method: Annotated[
        str | None,
        _option("How shares are found; by default shapley.", "shapley|ablation|exact"),
    ] = None,
    reference: Annotated[
        str | None,
        _option("What takes the place of what is taken away.", "interpolate|mean|other"),
    ] = None,
    stretches: Annotated[int | None, _option("Stretches of time; by default 16.", "N")] = None,
    train: Annotated[
        str | None,
        _option("The file or set that the model was fitted on, for nearest cases.", "FILE"),
    ] = None,
    output: Output = None,
    digest: Digest = None,
    data_dir: DataDir = None,
    form: Form = None,
) -> None:
    """Say how much each stretch of time and each feature moved a decision, and what looks alike."""
    from tsprompt.base.files import check_file
    from tsprompt.base.tensor_folder import read_header
    from tsprompt.explanations import explain as explained
    from tsprompt.model.saving import MODEL
    from tsprompt_cli.display.progress_bars import working

    form = chosen(form, output)
    if output is not None:
        check_file(output)
    folder = folder_of(model)
    classifier = machine.load(folder, digest)
    details = read_header(folder, MODEL).get("details", {})
    found = new_cases(source, reading, data_dir, details, classifier.classes_)
    numbers = _asked(found.cases, case, form)
    known = _train(train, reading, data_dir, details, classifier.classes_)
    with working("explaining") as work:
        work.start("explaining")
        told = explained(
            classifier,
            found.cases.take(numbers),
            train=known,
            method=method,
            reference=reference,
            stretches=stretches,
        )
    told = told.numbered(numbers)
    if form is Format.TABLE:
        _show(told, found, known is not None)
        return
    emit(_for_machines(told, form), output)


def _asked(cases: Cases, names: list[str] | None, form: Format) -> list[int]:
    """Which cases are meant.

    Raises
    ------
    InputError
        There is none of this name or number.
    """
    from tsprompt.errors import InputError, near_names

    if not names:
        return list(range(min(_SHOWN, len(cases)) if form is Format.TABLE else len(cases)))
    known = {str(number + 1): number for number in range(len(cases))}
    known.update({str(one): number for number, one in enumerate(cases.ids or ())})
    for name in names:
        if name not in known:
            raise InputError(f"there is no case {name!r}; {near_names(name, known)}")
    return [known[name] for name in names]


def _train(
    source: str | None, reading: Reading, data_dir: Path | None, details: Any, classes: Any
) -> tuple[Cases, Any] | None:
    """Train, from where the user says or from the archive's set; None where it is not at hand."""
    from tsprompt.errors import DatasetError, Setting
    from tsprompt_datasets import is_path, load_dataset

    if source is not None and is_path(source):
        own = new_cases(source, reading, data_dir, details, classes)
        if own.labels is None:
            raise DatasetError(f"{source}: has no labels; give the column with ", Setting("label"))
        return own.cases, own.labels
    name, origin = details.get("dataset"), details.get("source")
    if source is None and (
        details.get("shots") is not None
        or not isinstance(name, str)
        or origin not in ("bundled", "data-dir", "download")
    ):
        return None
    try:
        dataset = load_dataset(source or str(name), data_dir=data_dir, download=False)
    except DatasetError:
        if source is not None:
            raise
        return None
    if source is None and dict(dataset.sha256) != details.get("data_sha256"):
        return None
    return dataset.train.cases, dataset.train.labels


def _show(told: Explanations, found: NewCases, train: bool) -> None:
    from tsprompt_cli.display.explanations import drawn

    for one in told:
        show(*drawn(one), "")
    if len(told) < len(found.cases):
        say("Note", f"{len(told)} of {len(found.cases)} cases are shown; --case names others")
    if not train:
        say("Note", "train is not at hand, so no nearest cases are shown; give it with --train")


def _for_machines(told: Explanations, form: Format) -> str:
    import json

    from tsprompt.report import render

    if form is Format.JSON:
        return json.dumps({"cases": told.to_dict()}, indent=1) + "\n"
    return render(told.to_frame(), form.value)
