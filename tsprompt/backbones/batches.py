"""Batches filled by tokens, read side by side, halved when memory runs out."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import torch

from tsprompt.errors import Advice, Setting, TspromptError, notice

__all__ = ["Answered", "BatchSize", "attempt", "is_out_of_memory", "release", "side_by_side"]

T = TypeVar("T")

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
"""How CUDA and mps, the CPU here and on Windows, and cuBLAS and cuDNN say it."""


@dataclass(frozen=True)
class Answered(Generic[T]):
    """What a step gave for which there was memory."""

    answer: T


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
        submit: Callable[[Callable[[], Answered[T] | None]], Future[Answered[T] | None]],
        ahead: int,
    ) -> Iterator[T]:
        """`ahead` batches are begun before the first answer is waited for."""
        begun: deque[tuple[slice, Future[Answered[T] | None]]] = deque()
        start = 0
        try:
            while start < count or begun:
                while start < count and len(begun) < ahead:
                    part = slice(start, min(start + self.rows(length), count))
                    begun.append((part, submit(partial(attempt, partial(step, part)))))
                    start = part.stop
                part, tried = begun[0][0], begun.popleft()[1].result()
                if tried is not None:
                    yield tried.answer
                    continue
                _wait_for(begun)
                self._halve(part.stop - part.start, length)
                start = part.start
        finally:
            _wait_for(begun)

    def _halve(self, rows: int, length: int) -> None:
        if rows == 1:
            raise TspromptError(
                f"memory ran out with one row of {length} tokens",
                Advice(
                    "; use fewer steps (for example ",
                    Setting("tokenizer", "kernels:steps=32"),
                    "), a smaller backbone or another device",
                ),
            )
        self.tokens = length * (rows // 2)
        release()
        if not self._said:
            self._said = True
            notice(
                f"memory ran out with {rows} rows of {length} tokens at once; going on with fewer. "
                "Start with ",
                Setting("batch_tokens", self.tokens),
                " to avoid this",
            )


def attempt(step: Callable[[], T]) -> Answered[T] | None:
    """What a step gives; None where memory ran out.

    Then all that the step had made is free when this returns. An error holds its traceback, this
    the frames, and these the tensors of the attempt: whoever tries again while it lives has so much
    less memory.
    """
    try:
        return Answered(step())
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        _let_go(error)
    return None


def _let_go(error: BaseException | None) -> None:
    """Empty the frames of an error, and of those that it came from: others may hold on to it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def release() -> None:
    """Give memory that is kept for later tensors back to the accelerator."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _wait_for(begun: deque[tuple[slice, Future[T]]]) -> None:
    """See that nothing that was begun goes on, and let go of what it gave."""
    while begun:
        answer = begun.popleft()[1]
        if not answer.cancel():
            answer.exception()  # waits for it: memory is free only then


def _now(step: Callable[[], T]) -> Future[T]:
    """Run a step at once, here."""
    done: Future[T] = Future()
    done.set_result(step())
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
    return any(one in text for one in _OUT_OF_MEMORY)
