"""`tsprompt predict`: what a saved model says of new cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli import completion
from tsprompt_cli.options import DataDir, Form, Machine, Output, Saved, flat
from tsprompt_cli.output import Format, chosen, emit, say, show, table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predict"]

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
    from tsprompt_cli.predicting import cases_of, predictions

    form = chosen(form, output)
    if output is not None:
        check_file(output)
    cases = cases_of(source, data_dir)
    classifier = machine.load(model)
    labels, chances = predictions(classifier, cases)
    rows = _rows(labels, chances, classifier.classes_)
    if form is not Format.TABLE:
        emit(render(rows, form), output)
        return
    show(_table(rows.head(_SHOWN)))
    if len(rows) > _SHOWN:
        say("Note", f"{_SHOWN} of {len(rows)} cases are shown; --output FILE.csv writes them all")


def _rows(labels: Any, chances: Any, classes: Any) -> pd.DataFrame:
    import pandas as pd

    columns = {f"p({label})": chances[:, i] for i, label in enumerate(classes)}
    return pd.DataFrame({"case": range(1, len(labels) + 1), "label": labels, **columns})


def _table(rows: pd.DataFrame) -> Any:
    from rich.markup import escape

    heads = [escape(str(name)) for name in rows.columns]
    made = table(*heads, right=("case", *heads[2:]))
    for case, label, *chances in rows.itertuples(index=False):
        largest = max(chances)
        shown = [f"{one:.3f}" if one == largest else f"[dim]{one:.3f}[/dim]" for one in chances]
        made.add_row(str(case), f"[bold]{escape(label)}[/bold]", *shown)
    return made
