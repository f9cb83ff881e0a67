"""Clients that leave before they are answered: what they wait for is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

__all__ = ["unless_left"]

T = TypeVar("T")


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it is cancelled where the sender of the request, whose body has been read,
    leaves before.

    Raises
    ------
    ClientDisconnect
        The sender has left.
    """
    answer, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return answer.result()
    finally:
        leaving.cancel()
        if not answer.done():  # else nothing is left that needs be waited for
            answer.cancel()
            await asyncio.gather(answer, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    """Until the sender has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass  # the end of the body
