"""What a server consists of: models, the queue in front of them, and a thread that looks for new
ones."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request

from tsprompt.data import Cases
from tsprompt.errors import BackboneError, ModelFileError, TspromptError
from tsprompt.serving.answers import Answer, answer_of
from tsprompt.serving.batching import Batcher
from tsprompt.serving.bodies import JSON, Received, Receiver, fitting, kind_of
from tsprompt.serving.json_cases import from_json_body
from tsprompt.serving.leaving import unless_left
from tsprompt.serving.limits import Limits
from tsprompt.serving.logs import log_event
from tsprompt.serving.metrics import Metrics
from tsprompt.serving.model_folder import Change, ModelFolder, Offer
from tsprompt.serving.reasons import check_explained, check_sets, explained, sets
from tsprompt.serving.refusals import TABLE_OPTIONS, RefusalError, refusal_of
from tsprompt.serving.tables import TABLES, Sent, TableProcess, TableReader

__all__ = ["Service", "Wanted"]

T = TypeVar("T")

_LOOK = 1.0
"""Seconds between two looks at the folder."""
_PARSERS = 2
"""Bodies that are parsed at once."""
_SMALL = 1 << 14
"""Bytes of a body up to which it is parsed at once: a thread costs as much as that takes."""


@dataclass(frozen=True)
class Wanted:
    """What a request asks for beside labels and probabilities."""

    series: bool = False
    """The cases, as they were read."""
    coverage: float | None = None
    """Sets of classes of which one is the true one, in this share of the cases."""
    explain: bool = False
    """How much each stretch of time and each feature moved the answer."""


class Service:
    """Answers what routes ask."""

    def __init__(
        self,
        folder: ModelFolder,
        batcher: Batcher,
        limits: Limits,
        metrics: Metrics,
        read_table: TableReader,
    ) -> None:
        self.folder, self.limits, self.metrics = folder, limits, metrics
        self.receiver = Receiver(limits, metrics)
        self.stopping = False
        self._batcher = batcher
        self._tables = TableProcess(read_table, limits.timeout)
        self._parsers = ThreadPoolExecutor(_PARSERS, "parse")
        self._work: asyncio.Task[None] | None = None
        self._stop = threading.Event()

    @property
    def works(self) -> bool:
        """Whether questions are still answered: it ends only where the server has a fault."""
        return self._work is None or not self._work.done()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While the block runs, models are looked for and questions are answered."""
        looks = threading.Thread(target=self._look, name="look", daemon=True)
        looks.start()
        self._work = work = asyncio.create_task(self._batcher.run())
        try:
            yield
        finally:
            self._stop.set()
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            self._tables.stop()
            self._parsers.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        while not self._stop.is_set():
            try:
                self.folder.look()
            except Exception as error:
                self.folder.looked.set()
                logging.getLogger("tsprompt.serving").error("look", exc_info=error)
            self.metrics.models.set(len(self.folder.offers))
            self.metrics.problems.set(len(self.folder.problems))
            self._stop.wait(_LOOK)

    def tell(self, change: Change) -> None:
        """Write down what a look has found."""
        self.metrics.loads.labels(change.result).inc()
        failed = change.result == "failed"
        log_event(
            "model",
            logging.WARNING if failed else logging.INFO,
            result=change.result,
            model=change.name,
            **({"problem": change.told} if failed else {"digest": change.told}),
        )

    def offer(self, name: str) -> Offer:
        """The model of this name.

        Raises
        ------
        RefusalError
            There is none, or none yet.
        """
        found = self.folder.offer(name)
        if found is not None:
            return found
        if not self.folder.looked.is_set():
            raise RefusalError(503, "the server starts, and this model may not be loaded yet", 2)
        raise RefusalError(404, "no model of this name; GET /models tells those that there are")

    async def received(self, request: Request, offer: Offer) -> Received:
        """The cases that a request sends.

        Raises
        ------
        RefusalError
            They can't be used, or did not arrive.
        """
        if self.stopping:
            raise RefusalError(503, "the server stops; ask the one that follows it", 5)
        kind = kind_of(request)
        async with self.receiver.body(request) as held:
            if not held:
                raise RefusalError(422, "the body is empty; send cases")
            if kind == JSON and len(held) <= _SMALL:
                return self._from_json(held, offer)
            if kind == JSON:
                return await self._threaded(self._from_json, held, offer)
            cases = await self._from_table(held, kind, request, offer)
        return await self._threaded(fitting, cases, offer, self.limits)

    def _from_json(self, held: bytes, offer: Offer) -> Received:
        return fitting(from_json_body(held, self.limits), offer, self.limits)

    async def _from_table(self, held: bytes, kind: str, request: Request, offer: Offer) -> Cases:
        options = {key: one for key, one in request.query_params.items() if key in TABLE_OPTIONS}
        sent = Sent(held, TABLES[kind], options, self.limits.values)
        try:
            return await self._tables.read(sent, offer.details, offer.about.classes)
        except TspromptError as error:
            raise refusal_of(error) from None

    async def _threaded(self, work: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._parsers, work, *given)

    async def answered(self, request: Request, offer: Offer, wanted: Wanted) -> Answer:
        """What the model says of the cases that a request sends.

        Raises
        ------
        RefusalError
            They can't be used, there was no answer in time, or what is wanted can't be had.
        ClientDisconnect
            Their sender has left.
        """
        if wanted.coverage is not None:
            check_sets(offer, wanted.coverage)
        with self._batcher.coming():
            received = await self.received(request, offer)
        if wanted.explain:
            check_explained(received.cases)
        try:
            async with asyncio.timeout(self.limits.timeout):
                return await unless_left(request, self._answer(received, offer, wanted))
        except TimeoutError:
            text = f"no answer after {self.limits.timeout:g} s; send fewer cases, or try again"
            raise RefusalError(503, text, 5) from None
        except (ModelFileError, BackboneError):
            # It had left memory, and what lies there now is another one, or damaged.
            said = "the model is being read again; try again in a moment"
            raise RefusalError(503, said, 3) from None
        except TspromptError as error:
            raise refusal_of(error) from None

    async def _answer(self, received: Received, offer: Offer, wanted: Wanted) -> Answer:
        cases = received.cases
        chances = await self._batcher.ask(offer.key, cases)
        answer = answer_of(offer, cases, chances, received.notes, series=wanted.series)
        if (coverage := wanted.coverage) is not None:
            answer.coverage = coverage
            held = await self._batcher.alone(offer.key, lambda: sets(offer, chances, coverage))
            for one, own in zip(answer.cases, held, strict=True):
                one.set = own
        if wanted.explain:
            for number, one in enumerate(answer.cases):
                # One case at a time, so that others are answered in between.
                one.explanation, one.shares = await self._batcher.alone(
                    offer.key, partial(self._explained, offer, cases.take([number]))
                )
        return answer

    def _explained(self, offer: Offer, case: Cases) -> tuple[dict[str, Any], list[float]]:
        return explained(self.folder.fitted(offer), case)
