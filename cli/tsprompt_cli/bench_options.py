"""The options of `tsprompt bench run`, and what they ask for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsprompt.base.spec import split_specs
from tsprompt_cli.own_data import Parting
from tsprompt_cli.places import BackendName, backend_of, shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsprompt.base.backends import Backend
    from tsprompt.benchmark import Plan
    from tsprompt.data import FileSet

__all__ = ["Running", "Wanted", "read_plans"]

_WHAT, _HOW = "What is run", "How it is run"


@dataclass(frozen=True)
class Wanted:
    """What is run on each set."""

    methods: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME,...",
            help="Recipes and baselines, such as default,original,minirocket; see `tsprompt list "
            "recipes` and `tsprompt list baselines`.",
            rich_help_panel=_WHAT,
        ),
    ] = "default"
    strategies: Annotated[
        str,
        typer.Option(
            metavar="SPEC,SPEC,...",
            help="Run each recipe (but the original experiments) with each of these.",
            show_default=False,
            rich_help_panel=_WHAT,
        ),
    ] = ""
    ablations: Annotated[
        bool,
        typer.Option(
            "--ablations",
            help="Also run the first recipe with no language model, with random and with shuffled "
            "weights, with no prompt, and its placebo.",
            rich_help_panel=_WHAT,
        ),
    ] = False
    seeds: Annotated[
        int, typer.Option(min=1, help="How many runs of each split.", rich_help_panel=_WHAT)
    ] = 1
    resamples: Annotated[
        str,
        typer.Option(
            metavar="N | A:B | A,B,...",
            help="Splits into train and test: the first N, A up to B - 1, or these; 0 is the "
            "archive's own.",
            rich_help_panel=_WHAT,
        ),
    ] = "1"
    shots: Annotated[
        str,
        typer.Option(
            metavar="K,K,...",
            help="Cut train down to K cases of each class, as `fit --shots` does; `all` is all of "
            "train.",
            rich_help_panel=_WHAT,
        ),
    ] = "all"

    def plan(self, sets: Sequence[str | FileSet], settings: dict[str, Any]) -> Plan:
        """The plan of these options.

        Raises
        ------
        ConfigError
            Something in it is unknown, or no number.
        """
        from tsprompt.benchmark import Plan, named_methods

        strategies = split_specs(self.strategies)
        names = split_specs(self.methods)
        return Plan(
            sets=tuple(sets),
            methods=tuple(named_methods(names, strategies, settings, ablations=self.ablations)),
            seeds=self.seeds,
            resamples=_splits(self.resamples),
            shots=tuple(
                None if one == "all" else _number(one, "--shots") for one in split_specs(self.shots)
            ),
        )


@dataclass(frozen=True)
class Running:
    """How and where runs take place."""

    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Runs at a time; by default one for each core.",
            show_default=False,
            rich_help_panel=_HOW,
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads of each run; by default the cores, shared among the runs.",
            show_default=False,
            rich_help_panel=_HOW,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            metavar="SECONDS",
            help="End a run that takes longer; that is a result too.",
            show_default=False,
            rich_help_panel=_HOW,
        ),
    ] = None
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Run again what failed or ran out of time.",
            rich_help_panel=_HOW,
        ),
    ] = False
    backend: Annotated[
        BackendName, typer.Option(help="Where runs take place.", rich_help_panel=_HOW)
    ] = BackendName.LOCAL
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="A running Ray or Dask cluster; by default one is started on this machine.",
            show_default=False,
            rich_help_panel=_HOW,
        ),
    ] = None
    gpus: Annotated[
        float,
        typer.Option(
            min=0, help="GPUs of each run, on a cluster.", rich_help_panel=_HOW, show_default=False
        ),
    ] = 0.0
    gpu_runs: Annotated[
        int,
        typer.Option(
            "--gpu-runs",
            min=1,
            help="Runs that share one GPU; the others wait, whatever --jobs says.",
            rich_help_panel=_HOW,
        ),
    ] = 1

    def shares(self) -> tuple[int, int]:
        """Runs at a time, and the threads of each."""
        return shares(self.jobs, self.threads)

    def place(self) -> Backend:
        """Where runs take place.

        Raises
        ------
        ConfigError
            An option has no meaning there.
        """
        jobs, threads = self.shares()
        return backend_of(self.backend, self.address, jobs=jobs, threads=threads, gpus=self.gpus)


def read_plans(
    asked: list[str],
    wanted: Wanted,
    settings: dict[str, Any],
    results: Path,
    data_dir: Path | None,
    *,
    parting: Parting,
) -> list[Plan]:
    """A plan from a file or from flags; or, if nothing is asked, all that the folder remembers.

    Raises
    ------
    ConfigError
        Nothing is asked and nothing remembered, or flags stand beside a file.
    """
    from tsprompt.benchmark import ResultsFolder, read_plan
    from tsprompt.errors import ConfigError

    flags = wanted != Wanted() or bool(settings) or bool(parting.said)
    file = next((one for one in asked if one.endswith(".toml")), None)
    if file is None and asked:
        if parting.cv is not None and wanted.resamples == Wanted().resamples:
            wanted = dataclasses.replace(wanted, resamples=str(parting.cv))
        plans = [wanted.plan(_sets(asked, data_dir, parting), settings)]
    elif flags or len(asked) > 1:
        raise ConfigError(
            "give a plan alone, or names of sets with flags" if file else "give the names of sets"
        )
    elif file:
        plan = read_plan(Path(file))
        plans = [plan.on(_sets(plan.sets, data_dir, parting))]
    else:
        plans = [plan for plan, _ in ResultsFolder(results).plans()]
    if not plans:
        raise ConfigError(f"{results} has no plan yet; give a plan or the names of sets")
    return plans


def _sets(asked: Iterable[Any], data_dir: Path | None, parting: Parting) -> list[str | FileSet]:
    """Names of sets, groups told out, and files read once: before the first run, not in it."""
    from tsprompt.errors import ConfigError
    from tsprompt_datasets import expand_names, file_set, file_set_of, is_path

    found: list[str | FileSet] = []
    for one in asked:
        if isinstance(one, dict):
            found.append(file_set_of(one))
        elif not isinstance(one, str):
            raise ConfigError(f"{one!r} is no name of a set and no path")
        elif is_path(one):
            found.append(file_set(one, parting.options(), parting.splits()))
        else:
            parting.refuse(one)
            found += expand_names([one], data_dir)
    return [one for i, one in enumerate(found) if one not in found[:i]]


def _splits(text: str) -> tuple[int, ...]:
    first, colon, end = text.partition(":")
    if colon:
        return tuple(range(_number(first, "--resamples"), _number(end, "--resamples")))
    numbers = [_number(one, "--resamples") for one in split_specs(text)]
    return tuple(range(numbers[0]) if len(numbers) == 1 else numbers)


def _number(text: str, option: str) -> int:
    from tsprompt.errors import ConfigError

    if not text.strip().isdecimal():
        raise ConfigError(f"{option}: {text!r} is no whole number")
    return int(text)
