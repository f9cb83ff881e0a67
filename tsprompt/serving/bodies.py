"""Bodies of requests: received within bounds, and made into cases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from tsprompt.data import Cases
from tsprompt.errors import TspromptError
from tsprompt.serving.limits import Limits, check_size
from tsprompt.serving.metrics import Metrics
from tsprompt.serving.model_folder import Offer
from tsprompt.serving.notes import collected
from tsprompt.serving.refusals import RefusalError, refusal_of
from tsprompt.serving.tables import TABLES

__all__ = ["JSON", "Received", "Receiver", "fitting", "kind_of"]

JSON = "application/json"


@dataclass(frozen=True)
class Received:
    """Cases of a request, as the model wants them."""

    cases: Cases
    notes: list[str]
    """What the library remarks on them."""


class Receiver:
    """Receives bodies, and counts what it holds of all of them."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics, self._held = limits, metrics, 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, while the block runs.

        Raises
        ------
        RefusalError
            It is too large, takes too long, or too much is held already.
        """
        said = request.headers.get("content-length", "")
        if said.isascii() and said.isdigit() and int(said[:20]) > self._limits.body_bytes:
            raise self._too_large()
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusalError(415, "bodies that are packed are not read; send it as it is")
        held = bytearray()
        try:
            await self._fill(held, request)
            yield bytes(held)
        finally:
            self._hold(-len(held))

    async def _fill(self, held: bytearray, request: Request) -> None:
        limits = self._limits
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for piece in request.stream():
                    self._hold(len(piece))
                    held += piece
                    if len(held) > limits.body_bytes:
                        raise self._too_large()
        except TimeoutError:
            text = f"the body was not there after {limits.body_seconds:g} s; send it faster"
            raise RefusalError(408, text) from None

    def _hold(self, more: int) -> None:
        if more > 0 and self._held + more > self._limits.held_bytes:
            raise RefusalError(503, "too much is being sent at once; try again in a second", 1)
        self._held += more
        self._metrics.held_bytes.set(self._held)

    def _too_large(self) -> RefusalError:
        most = self._limits.body_bytes
        return RefusalError(413, f"the body has more than {most:,} bytes; send fewer cases at once")


def kind_of(request: Request) -> str:
    """What a body holds, as its sender says.

    Raises
    ------
    RefusalError
        It is nothing that is read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON and kind not in TABLES:
        known = ", ".join([JSON, *TABLES])
        raise RefusalError(415, f"say with Content-Type what the body holds: {known}")
    return kind


def fitting(cases: Cases, offer: Offer, limits: Limits) -> Received:
    """The cases of a request, checked against what the model expects.

    Raises
    ------
    RefusalError
        They can't be used, or are too many or too long.
    """
    try:
        with collected() as notes:
            check_size(len(cases), int(cases.lengths.max()), cases.n_features, limits)
            aligned = offer.expected.aligned(cases, "the body", "the model was fitted with")
            offer.expected.tell(aligned, "the body")
    except TspromptError as error:
        raise refusal_of(error) from None
    return Received(aligned, notes)
