"""Requests that arrive together go through the language model together."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases
from tsprompt.serving.limits import Limits
from tsprompt.serving.metrics import Metrics
from tsprompt.serving.refusals import RefusalError

__all__ = ["Batcher", "Chances"]

Chances = npt.NDArray[np.float64]
"""Probabilities (B, C)."""
T = TypeVar("T")
Predict = Callable[[dict[str, Cases]], Mapping[str, Chances]]


@dataclass(eq=False)
class _Ask:
    """The cases of one request, and what is known of those that went through."""

    key: str
    cases: Cases
    answer: asyncio.Future[Chances]
    since: float
    taken: int = 0
    chances: list[Chances] = field(default_factory=list)

    def next(self, most: int) -> Cases:
        """The cases that come next, `most` of them."""
        first, self.taken = self.taken, min(self.taken + most, len(self.cases))
        if first == 0 and self.taken == len(self.cases):
            return self.cases
        return self.cases.take(np.arange(first, self.taken))

    def add(self, chances: Chances) -> None:
        """Some went through; with the last of them the answer is there."""
        self.chances.append(chances)
        if self.taken == len(self.cases) and not self.answer.done():
            self.answer.set_result(np.concatenate(self.chances))


class Batcher:
    """Lets requests wait for each other a little, and takes as many cases of all of them as a pass
    holds. One that has more cases than its share gives way to others between two passes."""

    def __init__(self, predict: Predict, limits: Limits, metrics: Metrics) -> None:
        """Nothing runs before `run` does.

        Parameters
        ----------
        predict
            Gives the probabilities of cases by the model's key; called in a thread of its own.
        """
        self._predict, self._limits, self._metrics = predict, limits, metrics
        self._asks: deque[_Ask] = deque()
        self._running: set[str] = set()
        self._alone: Counter[str] = Counter()
        self._coming = 0
        self._arrived = asyncio.Event()
        self._worker = ThreadPoolExecutor(1, "predict")

    @contextmanager
    def coming(self) -> Iterator[None]:
        """A request is being read: while one is, others wait for it."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
            self._arrived.set()

    async def ask(self, key: str, cases: Cases) -> Chances:
        """Probabilities (B, C) of the cases by this model.

        Raises
        ------
        RefusalError
            Too many wait already.
        """
        if len(self._asks) >= self._limits.queue:
            raise RefusalError(
                429, f"{len(self._asks)} requests wait already; try again in a second", 1
            )
        loop = asyncio.get_running_loop()
        ask = _Ask(key, cases, loop.create_future(), time.monotonic())
        self._asks.append(ask)
        self._metrics.waiting.set(len(self._asks))
        self._arrived.set()
        try:
            return await ask.answer
        except asyncio.CancelledError:  # nobody waits for it any more
            with suppress(ValueError):
                self._asks.remove(ask)
            self._metrics.waiting.set(len(self._asks))
            raise

    async def alone(self, key: str, work: Callable[[], T]) -> T:
        """What `work` gives, done between two passes: the language model is asked by one thread."""
        self._alone[key] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        finally:
            self._alone[key] -= 1

    def busy(self, key: str) -> bool:
        """Whether this model is asked something just now."""
        return (
            key in self._running
            or self._alone[key] > 0
            or any(ask.key == key for ask in list(self._asks))
        )

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                while not self._asks:
                    self._arrived.clear()
                    await self._arrived.wait()
                await self._gather()
                await self._pass()
        finally:
            self._worker.shutdown(wait=False, cancel_futures=True)

    async def _gather(self) -> None:
        """Wait for others, where any are on their way and a pass is not full."""
        until = self._asks[0].since + self._limits.wait_ms / 1000
        while self._coming and (left := until - time.monotonic()) > 0:
            if sum(len(ask.cases) for ask in self._asks) >= self._limits.batch_cases:
                return
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._arrived.wait()

    def _take(self) -> list[tuple[_Ask, Cases]]:
        """What goes through now, of each request its share."""
        alive = [ask for ask in self._asks if not ask.answer.done()]
        room, taken = self._limits.batch_cases, []
        share = max(1, room // max(1, len(alive)))
        for ask in alive:
            if room == 0:
                break
            if ask.taken == 0:
                self._metrics.wait_seconds.observe(time.monotonic() - ask.since)
            cases = ask.next(min(share, room))
            room -= len(cases)
            taken.append((ask, cases))
        # Those with cases left stand behind those that had no turn yet.
        turn = {id(ask) for ask, _ in taken}
        waiting = [ask for ask in alive if id(ask) not in turn]
        self._asks = deque([*waiting, *(ask for ask, _ in taken if ask.taken < len(ask.cases))])
        self._metrics.waiting.set(len(self._asks))
        return taken

    async def _pass(self) -> None:
        taken = self._take()
        if not taken:
            return
        self._running = {ask.key for ask, _ in taken}
        pieces = [(ask.key, cases) for ask, cases in taken]
        self._observe(pieces)
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._worker, self._together, pieces)
        finally:
            self._running = set()
        self._metrics.pass_seconds.observe(time.monotonic() - started)
        for (ask, _), one in zip(taken, found, strict=True):
            if not isinstance(one, Exception):
                ask.add(one)
            elif not ask.answer.done():
                ask.answer.set_exception(one)

    def _observe(self, pieces: list[tuple[str, Cases]]) -> None:
        metrics = self._metrics
        metrics.batch_requests.observe(len(pieces))
        metrics.batch_models.observe(len({key for key, _ in pieces}))
        metrics.batch_cases.observe(sum(len(cases) for _, cases in pieces))

    def _together(self, pieces: list[tuple[str, Cases]]) -> list[Chances | Exception]:
        """Probabilities of each piece. What one of them does to a pass, the others don't suffer:
        where it fails, each is tried alone."""
        try:
            return [*self._one_pass(pieces)]
        except Exception as error:
            if len(pieces) == 1:
                return [error]
            return [one for piece in pieces for one in self._together([piece])]

    def _one_pass(self, pieces: list[tuple[str, Cases]]) -> list[Chances]:
        by_key: dict[str, list[int]] = {}
        for number, (key, _) in enumerate(pieces):
            by_key.setdefault(key, []).append(number)
        asked = {
            key: pieces[numbers[0]][1]
            if len(numbers) == 1
            else Cases.joined(*(pieces[number][1] for number in numbers))
            for key, numbers in by_key.items()
        }
        found = self._predict(asked)
        chances: dict[int, Chances] = {}
        for key, numbers in by_key.items():
            ends = np.cumsum([len(pieces[number][1]) for number in numbers])
            chances |= zip(numbers, np.split(found[key], ends[:-1]), strict=True)
        return [chances[number] for number in range(len(pieces))]
