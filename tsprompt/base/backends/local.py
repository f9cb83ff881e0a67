"""This machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tsprompt.base.backends.base import Backend, Reduction, RunOne, numbered

__all__ = ["Local"]


@dataclass
class Local(Backend):
    """This machine: joblib's threads, each of which waits for a process."""

    jobs: int

    def map(self, function: RunOne, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """As `Backend.map`."""
        from joblib import Parallel, delayed

        calls = (delayed(numbered)(function, *one) for one in enumerate(tasks))
        parallel = Parallel(
            self.jobs,
            backend="threading",
            return_as="generator_unordered",
            pre_dispatch=self.jobs,
            batch_size=1,
        )
        yield from parallel(calls)

    def reduce(self, work: Reduction) -> Any:
        """As `Backend.reduce`; one task after the other, and two results in memory at most."""
        whole = work.function(work.shared, *work.tasks[0])
        for done, task in enumerate(work.tasks[1:], start=1):
            work.told(done)
            whole = work.merge([whole, work.function(work.shared, *task)])
        work.told(len(work.tasks))
        return whole
