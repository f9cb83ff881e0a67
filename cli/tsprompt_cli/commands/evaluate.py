"""`tsprompt evaluate`: score a saved model on a data set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt.errors import Setting, counted
from tsprompt_cli.display.evaluation import evaluation_shown
from tsprompt_cli.new_cases import Scored, as_known, scored_cases
from tsprompt_cli.option_groups import Machine, flat
from tsprompt_cli.options import DataDir, Digest, Form, Saved, SetName, folder_of
from tsprompt_cli.output import Format, check_target, chosen, emit, say, show
from tsprompt_cli.own_data import Parting

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tsprompt.evaluation import Evaluation

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
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write a page for a browser, all in one file, with a reliability diagram "
            "and the surest mistakes drawn.",
            show_default=False,
        ),
    ] = None,
    digest: Digest = None,
    data_dir: DataDir = None,
    form: Form = None,
) -> None:
    """Score a saved model: accuracy with its interval, classes, probabilities, mistakes.

    Accuracy, balanced accuracy, macro-F1, AUROC, average precision, log-loss, Brier score and
    calibration error; precision and recall of each class, the confusion matrix, and the wrong
    answers that the model was surest of.
    """
    from tsprompt.base.files import check_not_input
    from tsprompt.base.tensor_folder import read_header
    from tsprompt.benchmark.scores import check_known
    from tsprompt.evaluation import evaluate as compared
    from tsprompt.model.saving import MODEL
    from tsprompt_cli.commands.predict import predictions

    form = chosen(form, None)
    folder = folder_of(model)
    if html is not None:
        check_not_input(html, dataset, folder, setting=Setting("html"))
        check_target(html, "html")
    header = read_header(folder, MODEL)
    details = header.get("details", {})
    classifier = machine.load(folder, digest)
    asked = None if part is None else part.value
    scored = scored_cases(dataset, parting, data_dir, details, classifier.classes_, part=asked)
    truth = as_known(scored.labels, classifier.classes_)
    classes = [str(label) for label in classifier.classes_.tolist()]
    check_known(truth, classes)
    labels, chances = predictions(classifier.fitted_, scored.cases)
    sets_by = classifier.fitted_.calibration
    made = compared(truth, chances, classes, scored.cases.ids, sets_by)
    if form is Format.TABLE:
        title = f"{scored.name}, {scored.said}, {counted(len(scored.cases), 'case')}"
        show(*evaluation_shown(title, made))
    else:
        named = {"dataset": dataset, "part": scored.part, "cases": len(scored.cases)}
        emit(_for_machines(named, made, form))
    if scored.part == "train":
        say("Note", _TRAIN, "cyan")
    if html is not None:
        emit(_page(_Shown(scored, truth, labels.astype(str), made), model, header), html)


_TRAIN = "the model was fitted on these cases: the figures tell how well it knows them, no more"


@dataclass(frozen=True)
class _Shown:
    """What the page is made of."""

    scored: Scored
    truth: npt.NDArray[np.str_]
    predicted: npt.NDArray[np.str_]
    made: Evaluation


def _for_machines(named: dict[str, Any], made: Evaluation, form: Format) -> str:
    import pandas as pd

    from tsprompt.report import render

    rows = pd.DataFrame([{**named, **made.row()}])
    return render(rows, form, **made.details())


def _page(shown: _Shown, model: str, header: dict[str, Any]) -> str:
    from tsprompt.evaluation.page import page
    from tsprompt_cli.display.about import about_page
    from tsprompt_cli.display.progress_bars import working

    scored = shown.scored
    size = counted(len(scored.cases), "case"), counted(scored.cases.n_features, "feature")
    cases = f"{scored.name}, {scored.said}: {size[0]} of {size[1]}"
    with working("drawing") as work:
        work.start("drawing")
        return page(
            shown.made,
            scored.cases,
            shown.truth,
            shown.predicted,
            name=scored.name,
            about=about_page(cases, model, header),
            warnings=[f"{_TRAIN[0].upper()}{_TRAIN[1:]}."] if scored.part == "train" else [],
        )
