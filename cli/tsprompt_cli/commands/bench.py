"""`tsprompt bench`: many methods on many sets, several at a time, stopped and resumed at will."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt_cli import completion
from tsprompt_cli.bench_options import Running, Wanted, read_plans
from tsprompt_cli.estimating import Planned, estimated, tell
from tsprompt_cli.option_groups import Choices, Machine, flat
from tsprompt_cli.options import DataDir, DryRun, Form
from tsprompt_cli.output import Format, chosen, emit, say, show
from tsprompt_cli.own_data import Parting
from tsprompt_cli.tracking import Tracker, tracker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsprompt.base.backends import Backend
    from tsprompt.benchmark import Cell, Job, Record
    from tsprompt.data import Dataset
    from tsprompt_cli.estimating import Row

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Run methods over archives; stop and resume at will.")

_DEFAULT = Path("results")


@app.command()
@flat
def run(
    asked: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PLAN.toml | DATA...]",
            help="A plan, or files of your own, or names of sets: GunPoint, ucr-small, ucr112, "
            "uea26, multiverse, all. With none, what the folder of results was asked for before.",
            autocompletion=completion.dataset_names,
            show_default=False,
        ),
    ] = None,
    *,
    results: Annotated[
        Path, typer.Option("--results", "-r", metavar="DIR", help="The folder of results.")
    ] = _DEFAULT,
    wanted: Wanted,
    running: Running,
    choices: Choices,
    machine: Machine,
    parting: Parting,
    packed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Runs that this file has, which `tsprompt report --pack` wrote, are taken from it "
            "and not made.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDir = None,
    dry_run: DryRun = False,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="What --dry-run prints; by default a table.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run each method on each split of each set; what has a record is not run again.

    Any number of these commands, on any number of machines, can share a folder of results.
    """
    from tsprompt.base.files import check_folder
    from tsprompt.benchmark import Job, ResultsFolder, adopt, check, made_elsewhere
    from tsprompt.errors import ConfigError
    from tsprompt_datasets import fetch_dataset

    if form is not None and not dry_run:
        raise ConfigError("--format is for --dry-run; `tsprompt report` prints what runs have said")
    if not dry_run:
        check_folder(results)
    plans = read_plans(asked or [], wanted, choices.settings(), results, data_dir, parting=parting)
    check(method for plan in plans for method in plan.methods)
    place = running.place()
    cells = [cell for plan in plans for cell in plan.cells()]
    job = Job(
        results=results.absolute(),
        loader="tsprompt_datasets:load_cell",
        options={"data_dir": str(data_dir.absolute()) if data_dir else None},
        machine=machine.library(),
        threads=running.shares()[1],
        gpu_runs=running.gpu_runs,
        timeout=running.timeout,
        retry_failed=running.retry_failed,
    )
    known = _packed(packed) if packed else []
    if dry_run:
        taken = {id(cell) for cell, _ in made_elsewhere(known, cells)}
        left = [cell for cell in cells if id(cell) not in taken]
        tell(_estimates(left, job), chosen(form, None), running.shares()[0])
        return
    names = [name for plan in plans for name in plan.sets if isinstance(name, str)]
    for name in dict.fromkeys(names):
        fetch_dataset(name, data_dir=data_dir)
    for plan in plans:
        ResultsFolder(results).add_plan(plan, job.machine)
    if packed:
        say("Taken", f"{adopt(known, cells, job)} runs from {packed}")
    track = tracker(f"tsprompt/{results.absolute().name}")
    done = _run(cells, job, place, track)
    failed = [record for record in done if not record.ok]
    for record in failed:
        say("Failed", f"{_name(record)}: {_first_line(record.error)}", "red")
    say("Done", f"{len(done) - len(failed)} of {len(done)} runs; see `tsprompt report {results}`")
    if failed:
        raise typer.Exit(1)


def _packed(file: Path) -> list[Record]:
    """The runs of a packed file that can be read; those that can't be are named, and made again."""
    from tsprompt.benchmark import Record
    from tsprompt.errors import notice
    from tsprompt.report import read_packed

    read = read_packed(file)
    for name, one in read:
        if not isinstance(one, Record):
            notice(f"{file}: {name} is not taken, as it can't be read: {one}")
    return [one for _, one in read if isinstance(one, Record)]


def _estimates(cells: Sequence[Cell], job: Job) -> list[Row]:
    """What the runs would take that have no record yet: a row for each method on each set. A set
    that is not on this machine is not fetched."""
    from functools import lru_cache

    from tsprompt.benchmark import finished
    from tsprompt_cli.display.progress_bars import working
    from tsprompt_datasets import load_cell

    done, left = finished(cells, job)
    alike: dict[Any, list[Cell]] = {}
    for cell in left:
        alike.setdefault((cell.dataset, cell.method.name, cell.shots), []).append(cell)
    planned = [Planned(of[0], len(of)) for of in alike.values()]
    rows = []

    @lru_cache(maxsize=1)
    def kept(name: str, shots: int | None) -> Dataset:
        cell = next(one for one in left if (one.dataset, one.shots) == (name, shots))
        return load_cell(cell, **job.options, download=False)

    with working("estimating", len(planned)) as work:
        for row in estimated(
            planned,
            lambda cell: kept(cell.dataset, cell.shots),
            job.machine,
            threads=job.threads,
            records=done,
        ):
            rows.append(row)
            work.finish(f"{row.dataset}, {row.method}")
    return rows


def _run(cells: Sequence[Cell], job: Job, place: Backend, track: Tracker) -> list[Record]:
    """All records; Ctrl-C leaves what is finished in the folder. What this start has run is
    logged."""
    from tsprompt.benchmark import finished, run_benchmark
    from tsprompt_cli.display.benchmark import watching

    done, left = finished(cells, job)
    try:
        with watching(cells, job) as watch:
            watch.skip(done)
            for record in run_benchmark(left, job, place):
                done.append(record)
                watch.finish(record)
                track.log(record)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{len(done)} of {len(cells)} runs are in {job.results.name}; the same command goes on "
            "from there"
        ) from None
    finally:
        track.tell()
    return done


@app.command()
def status(
    results: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The folder of results.")
    ] = _DEFAULT,
    *,
    form: Form = None,
) -> None:
    """What is done, running, failed and left, of all that the folder was asked for."""
    from tsprompt.benchmark import ResultsFolder
    from tsprompt.errors import ConfigError

    plans = ResultsFolder(results).plans()
    if not plans:
        raise ConfigError(f"{results} has no plan; start with `tsprompt bench run`")
    rows = _counted(results, plans)
    shown = chosen(form, None)
    if shown is Format.TABLE:
        _print_counts(rows)
    else:
        import pandas as pd

        from tsprompt.report import render

        emit(render(pd.DataFrame(rows), shown))


_STATES = ("done", "running", "failed", "timed out", "left")


def _counted(results: Path, plans: Sequence[Any]) -> list[dict[str, Any]]:
    """Counts for each method, and what went wrong."""
    from tsprompt.benchmark import states

    rows: dict[str, dict[str, Any]] = {}
    for plan, machine in plans:
        for one in states(plan.cells(), results, machine):
            name = one.cell.method.name
            row = rows.setdefault(
                name, {"method": name, **dict.fromkeys(_STATES, 0), "error": None}
            )
            if one.record is None:
                row["running" if one.running else "left"] += 1
            elif one.record.ok:
                row["done"] += 1
            else:
                row[one.record.status] += 1
                row["error"] = f"{_name(one.record)}: {_first_line(one.record.error)}"
    return list(rows.values())


def _print_counts(rows: list[dict[str, Any]]) -> None:
    from tsprompt.base.names import for_terminal
    from tsprompt.base.tables import plain_table

    made = plain_table()
    made.add_column("method")
    for state in _STATES:
        made.add_column(state, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(for_terminal(row["method"]), *(str(row[state] or "–") for state in _STATES))
    if len(rows) > 1:
        made.add_section()
        sums = (sum(row[state] for row in rows) for state in _STATES)
        made.add_row("all", *(str(one or "–") for one in sums))
    show(made)
    for row in rows:
        if row["error"]:
            say("Failed", row["error"], "red")


def _name(record: Record) -> str:
    split = f", resample {record.resample}" if record.resample else ""
    return f"{record.dataset}, {record.method}{split}, seed {record.seed}"


def _first_line(error: str | None) -> str:
    return (error or "").partition("\n")[0]
