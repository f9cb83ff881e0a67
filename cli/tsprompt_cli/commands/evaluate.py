"""`tsprompt evaluate`: score a saved model on a data set."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.new_cases import as_known, scored_cases
from tsprompt_cli.options import DataDir, Digest, Form, Machine, Saved, SetName, flat
from tsprompt_cli.output import Format, chosen, emit, grid, show, table
from tsprompt_cli.own_data import Parting

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tsprompt.benchmark.scores import Scores

__all__ = ["evaluate"]


class Part(StrEnum):
    """A part of a data set."""

    TRAIN = "train"
    TEST = "test"


@flat
def evaluate(
    model: Saved,
    dataset: SetName,
    *,
    machine: Machine,
    parting: Parting,
    part: Annotated[
        Part | None,
        typer.Option(
            help="Which part of the set to score; by default test, or train where the model was "
            "fitted on the whole file. Of a file that the model has not seen, all cases are test.",
            show_default=False,
        ),
    ] = None,
    digest: Digest = None,
    data_dir: DataDir = None,
    form: Form = None,
) -> None:
    """Score a saved model: accuracy, macro-F1, log-loss, confusion matrix."""
    from tsprompt.base.tensor_folder import read_header
    from tsprompt.benchmark.scores import check_known, confusion, score
    from tsprompt.model.saving import MODEL
    from tsprompt_cli.commands.predict import predictions

    form = chosen(form, None)
    details = read_header(model.expanduser(), MODEL).get("details", {})
    classifier = machine.load(model, digest)
    asked = None if part is None else part.value
    scored = scored_cases(dataset, parting, data_dir, details, classifier.classes_, part=asked)
    cases = scored.cases
    classes = [str(label) for label in classifier.classes_.tolist()]
    truth = as_known(scored.labels, classifier.classes_)
    check_known(truth, classes)
    labels, chances = predictions(classifier.fitted_, cases)
    predicted = labels.astype(str)
    scores = score(truth, predicted, chances, classes)
    matrix = confusion(truth, predicted, classes)
    if form is Format.TABLE:
        title = f"{scored.name}, {scored.said}, {len(cases)} cases"
        show(_scores(title, scores), "", _confusion(matrix, classes))
    else:
        named = {"dataset": dataset, "part": scored.part, "cases": len(cases)}
        emit(_for_machines(named, scores, matrix, classes, form))


def _scores(title: str, scores: Scores) -> Any:
    rows = [
        (name.replace("_", " "), "–" if value is None else f"{value:.4f}")
        for name, value in dataclasses.asdict(scores).items()
    ]
    return grid([("data", title), *rows])


def _confusion(matrix: npt.NDArray[np.intp], classes: list[str]) -> Any:
    from tsprompt.base.names import for_terminal

    heads = [f"→ {label}" for label in classes]
    made = table("true class", *heads, right=tuple(heads))
    for i, (label, row) in enumerate(zip(classes, matrix, strict=True)):
        cells = [
            f"[bold]{count}[/bold]" if i == j else str(count) if count else "[dim]·[/dim]"
            for j, count in enumerate(row)
        ]
        made.add_row(for_terminal(label), *cells)
    return made


def _for_machines(
    named: dict[str, Any],
    scores: Scores,
    matrix: npt.NDArray[np.intp],
    classes: list[str],
    form: Format,
) -> str:
    import pandas as pd

    from tsprompt.report import render

    rows = pd.DataFrame([{**named, **dataclasses.asdict(scores)}])
    return render(rows, form, classes=classes, confusion=matrix.tolist())
