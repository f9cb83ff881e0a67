"""A Dask cluster: one that is there, or one of this machine alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from tsprompt.base.backends.answers import (
    ANSWER_SECONDS,
    absent,
    check_answers,
    not_started,
    require_package,
)
from tsprompt.base.backends.base import (
    Backend,
    Reduction,
    RunOne,
    WorkerLostError,
    merging,
    numbered,
    pairs,
)

__all__ = ["Dask"]

_MANY = 1_000
"""As often as that a task is given to another worker where `retries` is None."""


@dataclass
class Dask(Backend):
    """A Dask cluster; a task whose worker is lost is given to another worker."""

    address: str | None
    """None: a cluster of this machine alone."""
    jobs: int
    """Workers of a cluster that is started here."""
    threads: int = 1
    gpus: float = 0.0
    """GPUs that a task takes: workers must offer a resource named GPU."""
    retries: int | None = None
    """How often a task is given to another worker, each time that one is lost; None: always."""

    def check(self) -> None:
        """As `Backend.check`."""
        require_package("distributed")
        check_answers("dask", self.address)

    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """As `Backend.map`."""
        with self.connected() as client:
            from distributed import KilledWorker, as_completed

            needs = {"resources": {"GPU": self.gpus}} if self.gpus else {}
            futures = [
                client.submit(numbered, function, *one, pure=False, **needs)
                for one in enumerate(tasks)
            ]
            number_of = {future.key: number for number, future in enumerate(futures)}
            for future in as_completed(futures):
                try:
                    result = future.result()
                except KilledWorker:
                    raise WorkerLostError(number_of[future.key], 1 + self._allowed) from None
                yield result

    def reduce(self, work: Reduction) -> Any:
        """As `Backend.reduce`."""
        with self.connected() as client:
            from distributed import KilledWorker, as_completed

            needs = {"resources": {"GPU": self.gpus}} if self.gpus else {}
            # Not scattered: what a worker alone holds is gone with it, and its tasks are not.
            leaves = [
                client.submit(work.function, work.shared, *one, pure=False, **needs)
                for one in work.tasks
            ]
            root = pairs(
                leaves, lambda *pair: client.submit(merging, work.merge, *pair, pure=False)
            )
            waiting = as_completed(leaves)
            del leaves  # a worker lets go of what nobody here holds, once it has been joined
            work.told(0)
            try:
                for done, future in enumerate(waiting, start=1):
                    if future.status == "error":
                        future.result()
                    work.told(done)
                return root.result()
            except KilledWorker:
                raise WorkerLostError(None, 1 + self._allowed) from None

    @property
    def _allowed(self) -> int:
        """How many workers may be lost at a task."""
        return _MANY if self.retries is None else self.retries

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A client of the cluster; one that was started here ends with the block.

        Raises
        ------
        ConfigError
            No cluster answers at the address, or Dask is not installed.
        """
        require_package("distributed")
        import dask
        from distributed import Client, LocalCluster

        check_answers("dask", self.address)
        # A lost worker is no fault of its task.
        settings = {
            "distributed.scheduler.allowed-failures": self._allowed,
            # What tasks are given is sent with them.
            "distributed.admin.large-graph-warning-threshold": "1TiB",
        }
        with dask.config.set(settings):
            here = {
                "n_workers": self.jobs,
                "threads_per_worker": 1,
                "dashboard_address": None,
                "silence_logs": logging.ERROR,  # it tells of each worker that is slow to end
            }
            with nullcontext(self.address) if self.address else LocalCluster(**here) as cluster:
                try:
                    client = Client(cluster, timeout=ANSWER_SECONDS)
                except (OSError, ValueError) as error:
                    if self.address is None:
                        raise not_started("Dask", error) from error
                    raise absent("dask", self.address, str(error)) from error
                with client:
                    yield client
