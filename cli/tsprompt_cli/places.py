"""Where work takes place: on this machine, or on a Ray or Dask cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tsprompt.base.backends import Backend

__all__ = ["PANEL", "BackendName", "Workers", "backend_of", "shares"]

PANEL = "Many cases, on a cluster"
_RETRIES = 3
"""How often a block is given to another worker after one is lost: what takes down four workers
takes down any."""


class BackendName(StrEnum):
    """Where tasks are run."""

    LOCAL = "local"
    RAY = "ray"
    DASK = "dask"


def shares(jobs: int | None, threads: int | None) -> tuple[int, int]:
    """Tasks at a time, and the threads of each; what is None is made of this machine's cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    jobs = jobs or max(1, cores // (threads or 1))
    return jobs, threads or max(1, cores // jobs)


def backend_of(
    name: BackendName,
    address: str | None,
    *,
    jobs: int,
    threads: int,
    gpus: float = 0.0,
    retries: int | None = None,
) -> Backend:
    """What runs tasks there.

    Raises
    ------
    ConfigError
        An option has no meaning there.
    """
    from tsprompt.base import backends
    from tsprompt.errors import ConfigError

    if name is BackendName.LOCAL:
        if address or gpus:
            raise ConfigError("--address and --gpus need --backend ray or --backend dask")
        return backends.Local(jobs)
    kind = backends.Ray if name is BackendName.RAY else backends.Dask
    return kind(address, jobs, threads, gpus, retries)


@dataclass(frozen=True)
class Workers:
    """Who does the work."""

    backend: Annotated[
        BackendName,
        typer.Option(help="Where blocks of cases are worked on.", rich_help_panel=PANEL),
    ] = BackendName.LOCAL
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="A running Ray or Dask cluster; by default one is started on this machine.",
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Workers of a cluster that is started here; by default one for each core.",
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = None
    gpus: Annotated[
        float,
        typer.Option(
            min=0,
            help="GPUs of each worker, on a cluster.",
            show_default=False,
            rich_help_panel=PANEL,
        ),
    ] = 0.0

    @property
    def here(self) -> bool:
        """Whether this process does all of it."""
        return self.backend is BackendName.LOCAL

    @property
    def threads(self) -> int | None:
        """Threads of each worker; None: this process takes what there is."""
        return None if self.here else shares(self.jobs, None)[1]

    def place(self) -> Backend:
        """What runs the blocks.

        Raises
        ------
        ConfigError
            An option has no meaning there.
        """
        from tsprompt.errors import ConfigError

        if self.here:
            if self.jobs is not None:
                raise ConfigError("--jobs needs --backend ray or --backend dask")
            return backend_of(self.backend, self.address, jobs=1, threads=1, gpus=self.gpus)
        jobs, threads = shares(self.jobs, None)
        return backend_of(
            self.backend,
            self.address,
            jobs=jobs,
            threads=threads,
            gpus=self.gpus,
            retries=_RETRIES,
        )
