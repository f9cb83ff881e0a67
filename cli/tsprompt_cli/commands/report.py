"""`tsprompt report`: tables, statistics and a page from a folder of results."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt.errors import Setting
from tsprompt_cli.options import DataDir
from tsprompt_cli.output import check_target, console, emit, say, show

if TYPE_CHECKING:
    from tsprompt.report import Report

__all__ = ["report"]

_NAMED = 20
"""Files left out and failed runs that the terminal names, of each; the page names all."""
_FORMS = {"pack": ("json", "jsonl")}
"""The formats of files whose option is not called so."""


def _file(what: str) -> Any:
    return typer.Option(metavar="FILE", help=what, show_default=False)


def report(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS",
            help="A folder of results, or of records as `compare --records` keeps them, or a file "
            "that --pack wrote.",
            show_default=False,
        ),
    ],
    *,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="published[:NAME,...]",
            help="Set published results on the same sets beside them; without names, a handful.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="The method that others are compared with; by default the model ranked best.",
            show_default=False,
        ),
    ] = None,
    rope: Annotated[
        float,
        typer.Option(
            metavar="ACCURACY",
            help="Differences up to this are level: the region of practical equivalence of the "
            "Bayesian signed-rank test.",
        ),
    ] = 0.01,
    families: Annotated[
        bool,
        typer.Option(
            "--families",
            help="Count sets that come of one source, such as the four GunPoints, as one in tests.",
        ),
    ] = False,
    html: Annotated[Path | None, _file("Write a page for a browser, all in one file.")] = None,
    latex: Annotated[Path | None, _file("Write the accuracies as a LaTeX table.")] = None,
    csv: Annotated[Path | None, _file("Write all figures, a row for each set and method.")] = None,
    markdown: Annotated[Path | None, _file("Write the tables as Markdown.")] = None,
    json: Annotated[Path | None, _file("Write all that the tables say as JSON.")] = None,
    aeon: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write accuracies there as aeon's `get_estimator_results` reads them.",
            show_default=False,
        ),
    ] = None,
    pack: Annotated[
        Path | None,
        _file("Write what is reported of all runs into one JSON file, to be kept and read again."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Report results: ranks, tests over sets, what each part of a model adds, accuracies."""
    from tsprompt.base.files import check_not_input, is_file
    from tsprompt.report import load_results, make_report, report_tables, write_packed
    from tsprompt_datasets import family_of

    files = {"html": html, "latex": latex, "csv": csv, "markdown": markdown}
    files |= {"json": json, "pack": pack}
    for option, file in files.items():
        if file is not None:
            check_target(file, option, *_FORMS.get(option, ()))
            if is_file(results.expanduser()):  # a page may lie in a folder of results
                check_not_input(file, results, setting=Setting(option))
    found = load_results(results)
    made = make_report(
        found,
        against=_columns(against),
        reference=reference,
        rope=rope,
        family_of=family_of if families else None,
    )
    show(*report_tables(made, console()))
    _write(made, {"latex": latex, "csv": csv, "markdown": markdown, "json": json})
    if html is not None:
        emit(_page(made, data_dir), html)
    if aeon is not None:
        _write_accuracies(made, aeon)
    if pack is not None:
        command = shlex.join(["tsprompt", "report", str(results), "--pack", str(pack)])
        say("Wrote", str(write_packed(pack, found.records, command)), "green")
    _name("Failed", [str(one) for one in made.failures], "red")
    _name("Left out", [f"{one.file}: {one.reason}" for one in made.left_out], "yellow")


def _columns(against: str | None) -> list[str] | None:
    """The published methods that are asked for; None: no published results."""
    from tsprompt.errors import ConfigError

    if against is None:
        return None
    source, _, names = against.partition(":")
    if source != "published":
        raise ConfigError(
            f"--against {against} is unknown; give published, or published:ROCKET,HC2"
        )
    return [name for name in (one.strip() for one in names.split(",")) if name]


def _write(report: Report, files: dict[str, Path | None]) -> None:
    from tsprompt import report as reports

    forms = {
        "latex": reports.latex,
        "csv": lambda one: reports.render(one.summary, "csv"),
        "markdown": reports.markdown,
        "json": reports.report_json,
    }
    for form, file in files.items():
        if file is not None:
            emit(forms[form](report), file)


def _write_accuracies(report: Report, folder: Path) -> None:
    from tsprompt.benchmark import write_accuracies

    ours = [record for record in report.records if record.kind != "published"]
    for file in write_accuracies(folder.expanduser(), ours):
        say("Wrote", str(file), "green")


def _page(report: Report, data_dir: Path | None) -> str:
    from tsprompt.report.page import page
    from tsprompt_cli.display.progress_bars import working
    from tsprompt_datasets import load_dataset

    with working("drawing", len(report.accuracy)) as work:

        def load(name: str) -> Any:
            work.start(name)
            work.bars.advance(work.whole)
            return load_dataset(name, data_dir=data_dir, download=False)

        return page(report, load)


def _name(kind: str, what: list[str], style: str) -> None:
    for one in what[:_NAMED]:
        say(kind, one, style)
    if len(what) > _NAMED:
        say(kind, f"and {len(what) - _NAMED} more; --markdown and --html name all", style)
