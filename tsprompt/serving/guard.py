"""What stands around every request: who may ask, what is written down of it, what it may cost."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tsprompt.serving.access import HEADERS, Access
from tsprompt.serving.logs import log_event
from tsprompt.serving.metrics import Metrics
from tsprompt.serving.refusals import RefusalError

__all__ = ["OPEN", "Guard", "answer_to"]

OPEN = ("/", "/docs", "/openapi.json", "/healthz", "/readyz")
"""Paths that need no token: they tell nothing of models, and take no data."""
_LINGER = 1.0
"""Seconds for which the rest of a refused request is let in."""
_QUIET = ("/healthz", "/readyz", "/metrics")
"""Routes that are asked every few seconds: what goes well there is not written down."""


def answer_to(refusal: RefusalError) -> JSONResponse:
    """What is wrong, as an answer."""
    headers = {}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse({"error": refusal.text}, refusal.status, headers)


class Guard:
    """The application, guarded."""

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics, header_bytes: int) -> None:
        self._app, self._access, self._metrics = app, access, metrics
        self._most = header_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = _Told(scope, receive, send)
        try:
            told.check_head(self._most)
            if scope["path"] not in OPEN or self._access.token is None:
                self._access.check(Headers(scope=scope))
            await self._app(scope, told.receive, told.send)
        except RefusalError as refusal:
            await told.refuse(refusal)
        except Exception as error:
            told.failed = error
            await told.refuse(RefusalError(500, "the server failed; its log says where"))
        finally:
            self._tell(told)

    def _tell(self, told: _Told) -> None:
        route = told.route
        status = told.status or 499  # its sender left before there was an answer
        seconds = time.perf_counter() - told.started
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if route in _QUIET and status in (200, 503):
            return
        level = logging.INFO if status < 500 or told.failed is None else logging.ERROR
        log_event(
            "request",
            level,
            request=told.identity,
            client=told.client,
            method=told.method,
            route=route,
            model=told.scope.get("state", {}).get("model"),
            cases=told.scope.get("state", {}).get("cases"),
            status=status,
            bytes=told.received,
            seconds=round(seconds, 4),
            error=told.failed,
        )


class _Told:
    """What is known of a request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.started = time.perf_counter()
        self.identity = secrets.token_hex(8)
        self.status = self.received = 0
        self.whole = False
        self.failed: Exception | None = None

    @property
    def route(self) -> str:
        """The route's pattern: a path itself may hold anything."""
        route = self.scope.get("route")
        return getattr(route, "path", None) or "none"

    @property
    def method(self) -> str:
        """Its method, if it is one."""
        known = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
        return self.scope["method"] if self.scope["method"] in known else "other"

    @property
    def client(self) -> str | None:
        """Where it came from."""
        client: tuple[str, int] | None = self.scope.get("client")
        return None if client is None else client[0]

    def check_head(self, most: int) -> None:
        """See that path and headers are not too long: where they come in one piece, uvicorn does
        not count them.

        Raises
        ------
        RefusalError
            They are.
        """
        head = [self.scope.get("raw_path") or b"", self.scope["query_string"]]
        head += [part for pair in self.scope["headers"] for part in pair]
        if sum(map(len, head)) > most:
            raise RefusalError(431, f"path and headers have more than {most:,} bytes; send less")

    async def receive(self) -> Message:
        """The next piece of the body."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer, with the headers that all have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, "x-request-id": self.identity}.items():
                headers.setdefault(name, value)
            if self._unread:
                headers["connection"] = "close"
        elif self._unread and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    @property
    def _unread(self) -> bool:
        """Whether an answer comes before its request is there."""
        return self.status >= 400 and self.scope["method"] not in ("GET", "HEAD") and not self.whole

    async def _drain(self) -> None:
        """Let some more of the request come: where a connection is closed on what nobody has read,
        its sender may never see the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while not self.whole:
                    if (await self.receive())["type"] == "http.disconnect":
                        return

    async def refuse(self, refusal: RefusalError) -> None:
        """Say no, unless an answer has begun."""
        if not self.status:
            await answer_to(refusal)(self.scope, self.receive, self.send)
