"""What every place of work does: call a function for each of many tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tsprompt.errors import TspromptError

__all__ = ["Backend", "Reduction", "RunOne", "WorkerLostError", "merging", "numbered", "pairs"]

RunOne = Callable[..., Any]


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


def _tells_nobody(_: int) -> None:
    """For whoever does not ask how far it is."""


@dataclass(frozen=True)
class Reduction:
    """Tasks whose results are merged into one."""

    function: RunOne
    """Is given `shared`, and a task."""
    tasks: Sequence[tuple[Any, ...]]
    merge: Callable[[Sequence[Any]], Any]
    """Makes one result of several."""
    shared: Any = None
    """What all tasks need."""
    told: Callable[[int], None] = _tells_nobody
    """Is called with the number of tasks that are done."""


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
    def reduce(self, work: Reduction) -> Any:
        """What all tasks give, merged into one where they were run: none comes here before.

        Raises
        ------
        ConfigError, WorkerLostError
            As `map`.
        """


def pairs(leaves: list[Any], merge: Callable[[Any, Any], Any]) -> Any:
    """The root of a tree of merges of two: of n results, a worker waits for log2 n to be sent, one
    after the other, and holds two. With more at once it would wait longer, and hold more."""
    while len(leaves) > 1:
        odd = leaves[len(leaves) // 2 * 2 :]
        leaves = [merge(*leaves[at : at + 2]) for at in range(0, len(leaves) - 1, 2)] + odd
    return leaves[0]


def merging(merge: Callable[[Sequence[Any]], Any], *parts: Any) -> Any:
    """The parts merged: a task for a worker, which is given them one by one."""
    return merge(parts)


def numbered(function: RunOne, number: int, task: tuple[Any, ...]) -> tuple[int, Any]:
    """A task's number with what it gives."""
    return number, function(*task)
