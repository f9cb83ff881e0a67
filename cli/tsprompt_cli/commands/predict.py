"""`tsprompt predict`: what a saved model says of new cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli import completion
from tsprompt_cli.options import DataDir, Form, Machine, Output, Saved, flat
from tsprompt_cli.output import Format, chosen, emit, say, show, table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from tsprompt.classifier import PromptClassifier
    from tsprompt.data import Cases

__all__ = ["predict", "predictions"]

_SHOWN = 20
"""Cases in a table on the screen."""

Input = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="A .ts, .tsv, .arff or .npy file; or the name of a set, whose test part is taken.",
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
    output: Output = None,
    data_dir: DataDir = None,
    form: Form = None,
) -> None:
    """Say the label and the class probabilities of each case."""
    from tsprompt.base.files import check_file
    from tsprompt.report import render

    form = chosen(form, output)
    if output is not None:
        check_file(output)
    cases = _cases_of(source, data_dir)
    classifier = machine.load(model)
    labels, chances = predictions(classifier, cases)
    rows = _rows(labels, chances, classifier.classes_)
    if form is not Format.TABLE:
        emit(render(rows, form), output)
        return
    show(_table(rows.head(_SHOWN)))
    if len(rows) > _SHOWN:
        say("Note", f"{_SHOWN} of {len(rows)} cases are shown; --output FILE.csv writes them all")


def predictions(
    classifier: PromptClassifier, cases: Cases
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.float64]]:
    """The most probable label (B,), spelt as in files, and probabilities (B, C) of each case."""
    from tsprompt_cli.display.progress_bars import working

    with working("predicting") as work:
        work.start("predicting")
        chances = classifier.predict_proba(cases)
    return classifier.classes_.astype(str)[chances.argmax(axis=1)], chances


def _cases_of(source: str, data_dir: Path | None) -> Cases:
    """The cases of a file, or of a set's test part.

    Raises
    ------
    DatasetError
        There is no such file or set, or it is damaged.
    """
    from tsprompt_datasets import load_dataset, load_file
    from tsprompt_datasets.readers import READERS

    if Path(source).suffix.lower() in READERS:
        return load_file(Path(source).expanduser()).cases
    return load_dataset(source, data_dir=data_dir).test.cases


def _rows(labels: Any, chances: Any, classes: Any) -> pd.DataFrame:
    import pandas as pd

    columns = {f"p({label})": chances[:, i] for i, label in enumerate(classes)}
    return pd.DataFrame({"case": range(1, len(labels) + 1), "label": labels, **columns})


def _table(rows: pd.DataFrame) -> Any:
    from tsprompt.base.names import for_terminal

    heads = [str(name) for name in rows.columns]
    made = table(*heads, right=("case", *heads[2:]))
    for case, label, *chances in rows.itertuples(index=False):
        largest = max(chances)
        shown = [f"{one:.3f}" if one == largest else f"[dim]{one:.3f}[/dim]" for one in chances]
        made.add_row(str(case), for_terminal(label, "bold"), *shown)
    return made
