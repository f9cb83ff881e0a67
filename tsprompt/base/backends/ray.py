"""A Ray cluster: one that is there, or one of this machine alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tsprompt.base.backends.answers import absent, check_answers, not_started, require_package
from tsprompt.base.backends.base import (
    Backend,
    Reduction,
    RunOne,
    WorkerLostError,
    merging,
    numbered,
    pairs,
)
from tsprompt.errors import Setting, TspromptError

__all__ = ["Ray"]


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
        require_package("ray")
        check_answers("ray", self.address)

    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """As `Backend.map`."""
        ray = self.connect()
        retries = -1 if self.retries is None else self.retries
        call = ray.remote(
            num_cpus=self.threads, num_gpus=self.gpus, max_retries=retries, retry_exceptions=False
        )(numbered)
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

    def reduce(self, work: Reduction) -> Any:
        """As `Backend.reduce`."""
        ray = self.connect()
        retries = -1 if self.retries is None else self.retries
        needs = {"num_cpus": self.threads, "max_retries": retries, "retry_exceptions": False}
        call = ray.remote(num_gpus=self.gpus, **needs)(work.function)
        join = ray.remote(**needs)(merging)
        for_all = ray.put(work.shared)
        left = [call.remote(for_all, *task) for task in work.tasks]
        root = pairs(left, lambda *pair: join.remote(work.merge, *pair))
        count = len(left)
        work.told(0)
        try:
            while left:  # no more is held than this: Ray lets go of what has been joined
                _, left = ray.wait(left, num_returns=1, fetch_local=False)
                work.told(count - len(left))
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
        require_package("ray")
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
                    raise not_started("Ray", error) from error
                raise absent("ray", self.address, str(error)) from error
        return ray


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
