"""Where cells are run: threads here that wait for processes, or a Ray or Dask cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from tsprompt.errors import ConfigError

__all__ = ["BACKENDS", "Backend", "Dask", "Local", "Ray"]

RunOne = Callable[..., Any]


class Backend(ABC):
    """Calls a function for each of many tasks."""

    @abstractmethod
    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Number and result of each task, in the order in which they are done."""


@dataclass
class Local(Backend):
    """This machine: joblib's threads, each of which waits for a process."""

    jobs: int

    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """As `Backend.map`."""
        from joblib import Parallel, delayed

        calls = (delayed(_numbered)(function, *one) for one in enumerate(tasks))
        parallel = Parallel(
            self.jobs,
            backend="threading",
            return_as="generator_unordered",
            pre_dispatch=self.jobs,
            batch_size=1,
        )
        yield from parallel(calls)


@dataclass
class Ray(Backend):
    """A Ray cluster; a task whose worker is lost is given to another worker."""

    address: str | None
    """None: a cluster of this machine alone."""
    jobs: int
    """Workers of a cluster that is started here."""
    threads: int = 1
    """Processors that a cell takes."""
    gpus: float = 0.0
    """GPUs that a cell takes."""

    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """As `Backend.map`."""
        _require("ray")
        import ray

        if not ray.is_initialized():
            ray.init(
                self.address,
                num_cpus=None if self.address else self.jobs * self.threads,
                log_to_driver=False,
                include_dashboard=None if self.address else False,
            )
        call = ray.remote(
            num_cpus=self.threads, num_gpus=self.gpus, max_retries=-1, retry_exceptions=False
        )(_numbered)
        left = [call.remote(function, *one) for one in enumerate(tasks)]
        while left:
            [done], left = ray.wait(left, num_returns=1)
            yield ray.get(done)


@dataclass
class Dask(Backend):
    """A Dask cluster; a task whose worker is lost is given to another worker."""

    address: str | None
    """None: a cluster of this machine alone."""
    jobs: int
    """Workers of a cluster that is started here."""
    threads: int = 1
    gpus: float = 0.0
    """GPUs that a cell takes: workers must offer a resource named GPU."""

    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """As `Backend.map`."""
        _require("distributed")
        import dask
        from distributed import Client, LocalCluster, as_completed

        # A lost worker is no fault of its task.
        with dask.config.set({"distributed.scheduler.allowed-failures": 1_000}):
            here = {"n_workers": self.jobs, "threads_per_worker": 1, "dashboard_address": None}
            with (
                nullcontext(self.address) if self.address else LocalCluster(**here) as cluster,
                Client(cluster) as client,
            ):
                needs = {"resources": {"GPU": self.gpus}} if self.gpus else {}
                futures = [
                    client.submit(_numbered, function, *one, pure=False, **needs)
                    for one in enumerate(tasks)
                ]
                for future in as_completed(futures):
                    yield future.result()


BACKENDS = {"ray": Ray, "dask": Dask}


def _numbered(function: RunOne, number: int, task: tuple[Any, ...]) -> tuple[int, Any]:
    return number, function(*task)


def _require(package: str) -> None:
    if find_spec(package) is None:
        extra = {"distributed": "dask"}.get(package, package)
        raise ConfigError(f'the backend {extra} needs {package}: pip install "tsprompt[{extra}]"')
