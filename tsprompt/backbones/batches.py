"""Batches filled by tokens, read side by side, halved when memory runs out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch

from tsprompt.errors import Setting, TspromptError, notice

__all__ = ["BatchSize", "is_out_of_memory", "side_by_side"]

T = TypeVar("T")


class BatchSize:
    """How many tokens the language model reads at once; it shrinks when memory runs out.

    On a processor with several cores, as many batches are read side by side, each on one core: the
    matrices of a small model are too small for cores to share one, they would mostly wait.
    """

    def __init__(self, tokens: int, cores: int = 1) -> None:
        self.tokens = tokens
        self.cores = cores
        self._said = False

    def rows(self, length: int) -> int:
        """Rows of this many tokens that fit into a batch; at least one."""
        return max(1, self.tokens // length)

    def run(self, count: int, length: int, step: Callable[[slice], T]) -> Iterator[T]:
        """Call ``step`` on slices that cover ``range(count)``, and give its answers in order; after
        an out-of-memory error try again with half the rows, and stay there. With several cores
        ``step`` runs in threads.

        Raises
        ------
        TspromptError
            Memory runs out with a single row.
        """
        if self.cores == 1 or count <= self.rows(length):
            yield from self._run(count, length, step, _now, 1)
            return
        with _one_core_each(self.cores) as pool:
            yield from self._run(count, length, step, pool.submit, self.cores + 1)

    def _run(
        self,
        count: int,
        length: int,
        step: Callable[[slice], T],
        submit: Callable[[Callable[[], T]], Future[T]],
        ahead: int,
    ) -> Iterator[T]:
        """`ahead` batches are begun before the first answer is waited for."""
        begun: deque[tuple[slice, Future[T]]] = deque()
        start = 0
        while start < count or begun:
            while start < count and len(begun) < ahead:
                part = slice(start, min(start + self.rows(length), count))
                begun.append((part, submit(partial(step, part))))
                start = part.stop
            part, answer = begun.popleft()
            try:
                result = answer.result()
            except (RuntimeError, MemoryError) as error:
                for _, other in begun:
                    if not other.cancel():
                        other.exception()  # waits for it: memory is free only then
                begun.clear()
                if not is_out_of_memory(error):
                    raise
                self._halve(part.stop - part.start, length)
                start = part.start
                continue
            yield result

    def _halve(self, rows: int, length: int) -> None:
        if rows == 1:
            raise TspromptError(
                f"memory ran out with one row of {length} tokens; use fewer steps (for example ",
                Setting("tokenizer", "kernels:steps=32"),
                "), a smaller backbone or another device",
            ) from None
        self.tokens = length * (rows // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not self._said:
            self._said = True
            notice(
                f"memory ran out with {rows} rows of {length} tokens at once; going on with fewer. "
                "Start with ",
                Setting("batch_tokens", self.tokens),
                " to avoid this",
            )


def _now(step: Callable[[], T]) -> Future[T]:
    """Run a step at once, here."""
    done: Future[T] = Future()
    try:
        done.set_result(step())
    except (RuntimeError, MemoryError) as error:
        done.set_exception(error)
    return done


def side_by_side(tasks: Sequence[Callable[[], T]], cores: int) -> list[T]:
    """What the tasks give, in order; with several cores each runs on one of them, in a thread."""
    if cores == 1 or len(tasks) < 2:
        return [task() for task in tasks]
    with _one_core_each(cores) as pool:
        return [answer.result() for answer in [pool.submit(task) for task in tasks]]


@contextmanager
def _one_core_each(cores: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in each of which torch uses one core."""
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(cores, initializer=partial(torch.set_num_threads, 1)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)  # else every later thread would have one too


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text
