"""`tsprompt predict`: what a saved model says of new cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli import completion
from tsprompt_cli.coverage import Coverage
from tsprompt_cli.display.predictions import (
    HOLD_LISTS,
    PredictionsForm,
    chosen_form,
    print_predictions,
)
from tsprompt_cli.many_cases import ManyCases, predict_many
from tsprompt_cli.new_cases import NewCases, as_known, new_cases
from tsprompt_cli.option_groups import Machine, flat
from tsprompt_cli.options import DataDir, Digest, Saved, folder_of
from tsprompt_cli.output import say
from tsprompt_cli.own_data import Reading
from tsprompt_cli.places import Workers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tsprompt.data import Cases
    from tsprompt.model.fitted import Fitted

__all__ = ["predict", "predictions"]

Input = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A file or folder of your own, with labels or without; `-` for standard input; or the "
        "archive's name of a set, whose test part is taken.",
        autocompletion=completion.dataset_names,
        show_default=False,
    ),
]


@flat
def predict(
    model: Saved,
    source: Input,
    *,
    machine: Machine,
    reading: Reading,
    asked: Coverage,
    many: ManyCases,
    workers: Workers,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this file; its ending (.csv, .json, .jsonl, .parquet, .md) tells the "
            "format unless --format does.",
            show_default=False,
        ),
    ] = None,
    digest: Digest = None,
    data_dir: DataDir = None,
    form: Annotated[
        PredictionsForm | None,
        typer.Option(
            "--format",
            help="What to print; by default a table on a terminal, and else all cases as CSV.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say the label and the class probabilities of each case.

    The columns of a file are read as those that the model was fitted on. If it has labels, the
    accuracy is said too. With --coverage each case also gets the set of classes that may be the
    true one.

    Parquet files of more cases than fit in memory are predicted a block at a time with --out, here
    or on a cluster.
    """
    from tsprompt.base.files import check_file, check_not_input
    from tsprompt.base.tensor_folder import read_header
    from tsprompt.model.saving import MODEL

    many.check(
        workers,
        output=output,
        format=form,
        coverage=asked.coverage,
        calibrate_on=asked.calibrate_on,
    )
    if many.out is not None:
        predict_many(model, source, many, workers, machine=machine, reading=reading, digest=digest)
        return
    form = chosen_form(form, output)
    asked.check()
    if output is not None:
        check_file(output)
    folder = folder_of(model)
    if output is not None:
        check_not_input(output, source, folder)
    fitted = machine.read(folder, digest)
    details = read_header(folder, MODEL).get("details", {})
    promise = asked.promise(fitted, reading, data_dir, details)
    cases = new_cases(source, reading, data_dir, details, fitted.classes)
    labels, chances = predictions(fitted, cases.cases)
    rows = _rows(cases, labels, chances, fitted.classes)
    scores = _scores(cases, labels, fitted.classes)
    figures: dict[str, Any] = {}
    if promise is not None:
        sets = promise.sets(chances)
        rows = promise.beside(rows, sets, joined=form not in HOLD_LISTS)
        figures = promise.figures(sets, cases)
    print_predictions(rows, form, output, **scores, **figures)
    for name, figure in scores.items():
        say(name.capitalize(), f"{figure:.4f} of {len(labels)} cases with labels", "green")
    if promise is not None:
        promise.tell(figures)
    if cases.fitted:
        say("Note", f"the model was fitted on cases of {cases.name}: it knows some of them", "cyan")


def predictions(fitted: Fitted, cases: Cases) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """The most probable label (B,), of the type it had in train, and probabilities (B, C)."""
    from tsprompt_cli.display.progress_bars import working

    with working("predicting") as work:
        work.start("predicting")
        chances = fitted.probabilities(cases)
    return fitted.classes[chances.argmax(axis=1)], chances


def _rows(cases: NewCases, labels: Any, chances: Any, classes: Any) -> dict[str, Any]:
    """Name -> column."""
    from tsprompt.blocks.predict import prediction_columns

    columns: dict[str, Any] = {"case": range(1, len(labels) + 1)}
    if cases.cases.ids is not None:
        columns["id"] = list(cases.cases.ids)
    said: dict[str, Any] = prediction_columns(chances, classes)
    columns["label"] = said.pop("label")
    if cases.labels is not None:
        columns["true label"] = cases.labels
    return columns | said


def _scores(cases: NewCases, labels: Any, classes: Any) -> dict[str, float]:
    """The accuracy, where the cases have labels of which the model knows some."""
    if cases.labels is None:
        return {}
    truth = as_known(cases.labels, classes)
    known = {str(one) for one in classes.tolist()}
    unknown = sorted({one for one in truth.tolist() if one not in known})
    if unknown:
        named = ", ".join(unknown[:10]) + (", ..." if len(unknown) > 10 else "")
        count = sum(one not in known for one in truth.tolist())
        told = f"{count} of {len(truth)} cases have labels that the model never saw: {named}"
        say("Note", f"{told}; it knows {', '.join(sorted(known)[:10])}", "yellow")
    if not known & set(truth.tolist()):
        return {}
    return {"accuracy": float((truth == labels.astype(str)).mean())}
