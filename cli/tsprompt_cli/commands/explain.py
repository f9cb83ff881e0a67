"""`tsprompt explain`: which part of a series decided, and which train cases look like it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli.commands.predict import Input
from tsprompt_cli.new_cases import NewCases, new_cases
from tsprompt_cli.option_groups import Machine, flat
from tsprompt_cli.options import DataDir, Digest, Form, Output, Saved, folder_of
from tsprompt_cli.output import Format, check_target, chosen, emit, say, show
from tsprompt_cli.own_data import Reading
from tsprompt_cli.train_cases import TrainCases

if TYPE_CHECKING:
    from tsprompt.data import Cases
    from tsprompt.explanations import Explainer, Explanation, Explanations

__all__ = ["explain"]

_SHOWN = 3
"""Cases that the terminal shows where nobody says which."""
_LONG = 10.0
"""Seconds of work that are told of before it is done."""


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
        _option(
            "The file or set that the model was fitted on, for nearest cases; by default it is "
            "looked for under its name, here and beside DATA.",
            "FILE",
        ),
    ] = None,
    overall: Annotated[
        bool,
        typer.Option(
            "--global", help="Which times and features matter over all cases, by predicted class."
        ),
    ] = False,
    html: Annotated[
        Path | None,
        _option("Also write a page for a browser, all in one file, with pictures.", "FILE"),
    ] = None,
    output: Output = None,
    digest: Digest = None,
    data_dir: DataDir = None,
    form: Form = None,
) -> None:
    """Say how much each stretch of time and each feature moved a decision, and what looks alike."""
    from tsprompt.base.files import check_file, check_not_input
    from tsprompt.base.tensor_folder import read_header
    from tsprompt.errors import Setting
    from tsprompt.explanations import Explainer
    from tsprompt.model.saving import MODEL

    form = chosen(form, output)
    if output is not None:
        check_file(output)
        check_not_input(output, source, model)
    if html is not None:
        check_not_input(html, source, model, setting=Setting("html"))
        check_target(html, "html")
    folder = folder_of(model)
    header = read_header(folder, MODEL)
    details = header.get("details", {})
    classifier = machine.load(folder, digest)
    found = new_cases(source, reading, data_dir, details, classifier.classes_)
    few = form is Format.TABLE and html is None and not overall
    numbers = _asked(found.cases, case, _SHOWN if few else None)
    classes = classifier.classes_
    held = (
        TrainCases.known(found, source, data_dir, details, classes)
        if train is None
        else TrainCases.of_file(train, reading, data_dir, details, classes)
    )
    explainer = Explainer(
        classifier.fitted_,
        held.held,
        method=method,
        reference=reference,
        stretches=stretches,
    )
    told, stopped = _explained(explainer, found.cases.take(numbers))
    told = told.numbered(numbers[: len(told)])
    if form is Format.TABLE:
        _show(told, overall, found, named=case is not None)
        if held.missing and not overall:
            say("Note", f"no nearest cases are shown: {held.missing}")
    else:
        emit(_for_machines(told, overall, form), output)
    if html is not None:
        emit(_page(told, overall, found, model, header), html)
    if stopped:
        raise KeyboardInterrupt(f"{len(told)} of {len(numbers)} cases are explained")


def _explained(explainer: Explainer, cases: Cases) -> tuple[Explanations, bool]:
    """What can be said of the cases until the user has had enough, and whether that was so."""
    import time

    from tsprompt.explanations import Explanations
    from tsprompt.explanations.explainer import BATCH
    from tsprompt_cli.display.progress_bars import working

    done: list[Explanation] = []
    started = time.perf_counter()
    try:
        with working("explaining") as work:
            work.start(f"explaining {len(cases):,} cases")
            for one in explainer.explain(cases):
                done.append(one)
                left = (len(cases) - BATCH) * (time.perf_counter() - started) / BATCH
                if len(done) == BATCH and left > _LONG:
                    say("Note", f"{len(cases):,} cases take about {_minutes(left)} more")
    except KeyboardInterrupt:
        if not done:
            raise
        return Explanations(tuple(done)), True
    return Explanations(tuple(done)), False


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _asked(cases: Cases, names: list[str] | None, most: int | None) -> list[int]:
    """Which cases are meant; `most` of them where nobody says which.

    Raises
    ------
    InputError
        There is none of this name or number.
    """
    from tsprompt.errors import InputError, near_names

    if not names:
        return list(range(len(cases) if most is None else min(most, len(cases))))
    known = {str(number + 1): number for number in range(len(cases))}
    known.update({str(one): number for number, one in enumerate(cases.ids or ())})
    for name in names:
        if name not in known:
            text = f"there is no case {name!r} among {len(cases)}; {near_names(name, known)}"
            raise InputError(text)
    return [known[name] for name in names]


def _show(told: Explanations, overall: bool, found: NewCases, *, named: bool) -> None:
    from tsprompt.explanations import overall as over_all
    from tsprompt_cli.display.explanations import drawn, drawn_overall

    if overall:
        for one in over_all(told):
            show(*drawn_overall(one), "")
        return
    for each in told[:_SHOWN] if not named else told:
        show(*drawn(each), "")
    count = len(found.cases)
    if not named and count > _SHOWN:
        say("Note", f"{min(_SHOWN, len(told))} of {count} cases are shown; --case names others")


def _for_machines(told: Explanations, overall: bool, form: Format) -> str:
    import json

    import pandas as pd

    from tsprompt.explanations import overall as over_all
    from tsprompt.report import render

    if not overall:
        if form is Format.JSON:
            return json.dumps({"cases": told.to_dict()}, indent=1) + "\n"
        return render(told.to_frame(), form.value)
    classes = over_all(told)
    if form is Format.JSON:
        return json.dumps({"classes": [one.to_dict() for one in classes]}, indent=1) + "\n"
    return render(pd.DataFrame([row for one in classes for row in one.rows()]), form.value)


def _page(
    told: Explanations, overall: bool, found: NewCases, model: str, header: dict[str, Any]
) -> str:
    from tsprompt.explanations import overall as over_all
    from tsprompt.explanations.page import page
    from tsprompt_cli.display.about import about_page
    from tsprompt_cli.display.progress_bars import working

    cases = f"{len(told):,} of {len(found.cases):,} of {found.name}"
    about = about_page(cases, model, header)
    with working("drawing") as work:
        work.start("drawing")
        return page(told, over_all(told) if overall else (), name=found.name, about=about)
