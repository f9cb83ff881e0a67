"""Connections within bounds: how many there are, and how long one may take to ask."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from tsprompt.serving.limits import Limits

__all__ = ["bounded_protocol"]

_LINGER = 1.0
"""Seconds until a connection that was refused is closed."""
_FULL = b'{"error": "too many clients are connected; try again in a second"}'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nretry-after: 1\r\nconnection: close\r\n\r\n%s" % (len(_FULL), _FULL)
)


def bounded_protocol(limits: Limits) -> type[H11Protocol]:
    """Uvicorn's protocol, with the two bounds that it has not."""

    class Bounded(H11Protocol):
        """One connection. Headers are under a deadline from its first byte on: uvicorn would wait
        for ever for a client that sends them slowly, or none."""

        _deadline: asyncio.TimerHandle | None = None
        _full = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """A client connects."""
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._full = True
                transport.write(_REFUSAL)
                transport.write_eof()
                # Closed at once, on what the client is still sending, it would not see this.
                self.loop.call_later(_LINGER, transport.close)
                return
            self._expect()

        def data_received(self, data: bytes) -> None:
            """Bytes came; a request has begun, or its headers are not whole yet."""
            if self._full:
                return
            before = self.cycle
            super().data_received(data)
            if self.cycle is not before:
                self._relax()
            elif self._deadline is None and (before is None or before.response_complete):
                self._expect()

        def connection_lost(self, exc: Exception | None) -> None:
            """The client is gone."""
            self._relax()
            super().connection_lost(exc)

        def _expect(self) -> None:
            self._deadline = self.loop.call_later(limits.header_seconds, self._late)

        def _relax(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _late(self) -> None:
            self._deadline = None
            if not self.transport.is_closing():
                self.transport.close()

    return Bounded
