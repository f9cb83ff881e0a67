"""Where tasks are run: threads here that wait for processes, or a Ray or Dask cluster.

This is the one place that starts a cluster or connects to one. Which worker takes which task, and
what becomes of the tasks of a worker that is lost, is left to Ray and Dask.
"""

from __future__ import annotations

import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from tsprompt.errors import ConfigError, Setting, TspromptError

__all__ = ["BACKENDS", "Backend", "Dask", "Local", "Ray", "WorkerLostError", "check_answers"]

RunOne = Callable[..., Any]

_SECONDS = 10.0
"""How long a cluster may take to answer."""
_MANY = 1_000
"""As often as that a task is given to another worker where `retries` is None."""


class WorkerLostError(TspromptError):
    """Workers of a cluster ended, one after the other, while they were at the same task."""

    def __init__(self, number: int | None, times: int) -> None:
        """`number` is that of the task, where that is known; `times`, how many workers it was given
        to."""
        name = "a task" if number is None else f"task {number + 1}"
        super().__init__(
            f"{name} was given to {times} workers of the cluster, and all of them ended "
            "while they were at it; they may have run out of memory: see the cluster's own logs"
        )
        self.number, self.times = number, times


class Backend(ABC):
    """Calls a function for each of many tasks."""

    def check(self) -> None:  # noqa: B027  (this machine is there)
        """See that it is there, before work is prepared for it.

        Raises
        ------
        ConfigError
            The cluster does not answer, or its package is not installed.
        """

    @abstractmethod
    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Number and result of each task, in the order in which they are done.

        Raises
        ------
        ConfigError
            The cluster is not there, or its package is not installed.
        WorkerLostError
            A task took its workers down with it, more often than the backend allows.
        """

    @abstractmethod
    def reduce(
        self,
        function: RunOne,
        tasks: Sequence[tuple[Any, ...]],
        merge: Callable[[Sequence[Any]], Any],
        *,
        shared: Any,
        told: Callable[[int], None] = lambda _: None,
    ) -> Any:
        """What all tasks give, merged into one where they were run: none comes here before.

        Parameters
        ----------
        function
            Is given `shared`, and a task.
        merge
            Makes one result of several.
        told
            Is called with the number of tasks that are done.

        Raises
        ------
        ConfigError, WorkerLostError
            As `map`.
        """


def _pairs(leaves: list[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """The root of a tree of merges of two: of n results, a worker waits for log2 n to be sent, one
    after the other, and holds two. With more at once it would wait longer, and hold more."""
    while len(leaves) > 1:
        odd = leaves[len(leaves) // 2 * 2 :]
        leaves = [merge(*leaves[at : at + 2]) for at in range(0, len(leaves) - 1, 2)] + odd
    return leaves[0]


def _merging(merge: Callable[[Sequence[Any]], Any], *parts: Any) -> Any:
    return merge(parts)


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

    def reduce(
        self,
        function: RunOne,
        tasks: Sequence[tuple[Any, ...]],
        merge: Callable[[Sequence[Any]], Any],
        *,
        shared: Any,
        told: Callable[[int], None] = lambda _: None,
    ) -> Any:
        """As `Backend.reduce`; one task after the other, and two results in memory at most."""
        whole = function(shared, *tasks[0])
        for done, task in enumerate(tasks[1:], start=1):
            told(done)
            whole = merge([whole, function(shared, *task)])
        told(len(tasks))
        return whole


@dataclass
class Ray(Backend):
    """A Ray cluster; a task whose worker is lost is given to another worker."""

    address: str | None
    """None: a cluster of this machine alone."""
    jobs: int
    """Workers of a cluster that is started here."""
    threads: int = 1
    """Processors that a task takes."""
    gpus: float = 0.0
    """GPUs that a task takes."""
    retries: int | None = None
    """How often a task is given to another worker, each time that one is lost; None: always."""

    def check(self) -> None:
        """As `Backend.check`."""
        _require("ray")
        check_answers("ray", self.address)

    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """As `Backend.map`."""
        ray = self.connect()
        retries = -1 if self.retries is None else self.retries
        call = ray.remote(
            num_cpus=self.threads, num_gpus=self.gpus, max_retries=retries, retry_exceptions=False
        )(_numbered)
        left = {call.remote(function, *one): one[0] for one in enumerate(tasks)}
        try:
            while left:
                [done], _ = ray.wait(list(left), num_returns=1)
                number = left.pop(done)
                with _plain_errors(number, retries):
                    result = ray.get(done)
                yield result
        finally:
            _cancel(ray, left)

    def reduce(
        self,
        function: RunOne,
        tasks: Sequence[tuple[Any, ...]],
        merge: Callable[[Sequence[Any]], Any],
        *,
        shared: Any,
        told: Callable[[int], None] = lambda _: None,
    ) -> Any:
        """As `Backend.reduce`."""
        ray = self.connect()
        retries = -1 if self.retries is None else self.retries
        needs = {"num_cpus": self.threads, "max_retries": retries, "retry_exceptions": False}
        call = ray.remote(num_gpus=self.gpus, **needs)(function)
        join = ray.remote(**needs)(_merging)
        for_all = ray.put(shared)
        leaves = [call.remote(for_all, *task) for task in tasks]
        root = _pairs(leaves, lambda *pair: join.remote(merge, *pair))
        left = list(leaves)
        told(0)
        try:
            while left:
                _, left = ray.wait(left, num_returns=1, fetch_local=False)
                told(len(leaves) - len(left))
            with _plain_errors(None, retries):
                return ray.get(root)
        finally:
            _cancel(ray, left)

    def connect(self) -> Any:
        """Ray's own module, connected to the cluster.

        Raises
        ------
        ConfigError
            No cluster answers at the address, or Ray is not installed.
        TspromptError
            Ray can't start a cluster on this machine.
        """
        _require("ray")
        import ray

        if not ray.is_initialized():
            self.check()
            logging.getLogger("ray").setLevel(logging.ERROR)
            try:
                ray.init(
                    self.address,
                    num_cpus=None if self.address else self.jobs * self.threads,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    include_dashboard=None if self.address else False,
                )
            except Exception as error:  # Ray's own, of many kinds
                if self.address is None:
                    raise _not_started("Ray", error) from error
                raise _absent("ray", self.address, str(error)) from error
        return ray


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
        _require("distributed")
        check_answers("dask", self.address)

    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """As `Backend.map`."""
        with self.connected() as client:
            from distributed import KilledWorker, as_completed

            needs = {"resources": {"GPU": self.gpus}} if self.gpus else {}
            futures = [
                client.submit(_numbered, function, *one, pure=False, **needs)
                for one in enumerate(tasks)
            ]
            number_of = {future.key: number for number, future in enumerate(futures)}
            for future in as_completed(futures):
                try:
                    result = future.result()
                except KilledWorker:
                    raise WorkerLostError(number_of[future.key], 1 + self._allowed) from None
                yield result

    def reduce(
        self,
        function: RunOne,
        tasks: Sequence[tuple[Any, ...]],
        merge: Callable[[Sequence[Any]], Any],
        *,
        shared: Any,
        told: Callable[[int], None] = lambda _: None,
    ) -> Any:
        """As `Backend.reduce`."""
        with self.connected() as client:
            from distributed import KilledWorker, as_completed

            needs = {"resources": {"GPU": self.gpus}} if self.gpus else {}
            # Not scattered: what a worker alone holds is gone with it, and its tasks are not.
            leaves = [client.submit(function, shared, *one, pure=False, **needs) for one in tasks]
            root = _pairs(leaves, lambda *pair: client.submit(_merging, merge, *pair, pure=False))
            told(0)
            try:
                for done, future in enumerate(as_completed(leaves), start=1):
                    if future.status == "error":
                        future.result()
                    told(done)
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
        _require("distributed")
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
                    client = Client(cluster, timeout=_SECONDS)
                except (OSError, ValueError) as error:
                    if self.address is None:
                        raise _not_started("Dask", error) from error
                    raise _absent("dask", self.address, str(error)) from error
                with client:
                    yield client


BACKENDS = {"ray": Ray, "dask": Dask}
_STARTED = {"ray": "`ray start --head`", "dask": "`dask scheduler` and `dask worker`"}


def check_answers(backend: str, address: str | None) -> None:
    """See that something listens at a cluster's address, such as `HOST:PORT` or
    `tcp://HOST:PORT`.

    Ray ends the process where nothing does, after most of a minute.

    Raises
    ------
    ConfigError
        Nothing answers, or it is no such address.
    """
    if address is None or (backend == "ray" and address in ("auto", "local")):
        return
    try:
        found = urlsplit(address if "://" in address else f"//{address}")
        host, port = found.hostname, found.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise ConfigError(Setting("address"), f" is {address!r}; give HOST:PORT")
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        raise _absent(backend, address, error.strerror or "no answer") from None


def _not_started(name: str, error: Exception) -> TspromptError:
    why = str(error).strip().partition("\n")[0]
    return TspromptError(
        f"{name} can't start a cluster on this machine ({why}); where it is only busy, try again "
        "later, or with fewer ",
        Setting("jobs"),
    )


def _absent(backend: str, address: str, why: str) -> ConfigError:
    why = why.strip().partition("\n")[0]
    return ConfigError(
        f"no {backend.capitalize()} cluster answers at {address} ({why}); start one with "
        f"{_STARTED[backend]}, correct ",
        Setting("address"),
        ", or leave it out to use this machine alone",
    )


@contextmanager
def _plain_errors(number: int | None, retries: int) -> Iterator[None]:
    """What a task of Ray raised, as it raised it."""
    from ray.exceptions import (
        NodeDiedError,
        ObjectStoreFullError,
        OutOfDiskError,
        OutOfMemoryError,
        RayTaskError,
        WorkerCrashedError,
    )

    try:
        yield
    except RayTaskError as error:
        raise error.cause from None
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError):
        raise WorkerLostError(number, 1 + retries) from None
    except (ObjectStoreFullError, OutOfDiskError):
        raise TspromptError(
            "Ray has no room left for what tasks are given and give: free some space where the "
            "cluster keeps it, or use fewer cases in a task, by ",
            Setting("block_cases"),
        ) from None


def _cancel(ray: Any, left: Iterable[Any]) -> None:
    """Whoever asks for no more leaves nothing running behind."""
    if ray.is_initialized():
        for one in left:
            ray.cancel(one, force=True)


def _numbered(function: RunOne, number: int, task: tuple[Any, ...]) -> tuple[int, Any]:
    return number, function(*task)


def _require(package: str) -> None:
    if find_spec(package) is None:
        extra = {"distributed": "dask"}.get(package, package)
        raise ConfigError(f'the backend {extra} needs {package}: pip install "tsprompt[{extra}]"')
