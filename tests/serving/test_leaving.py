"""What a client waits for ends when it has left; the watch for its leaving ends with the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.extra("serve")


class Sender:
    """A request whose sender leaves when it is told to."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.watched = 0

    async def receive(self) -> dict[str, Any]:
        self.watched += 1
        try:
            await self.leaves.wait()
        finally:
            self.watched -= 1
        return {"type": "http.disconnect"}


async def soon(value: int) -> int:
    await asyncio.sleep(0.01)
    return value


def test_an_answer_ends_the_watch() -> None:
    from tsprompt.serving.leaving import unless_left

    async def ask() -> None:
        sender: Any = Sender()
        assert await unless_left(sender, soon(3)) == 3
        await asyncio.sleep(0)
        assert sender.watched == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(ask())


def test_a_sender_that_leaves_ends_the_work() -> None:
    from starlette.requests import ClientDisconnect

    from tsprompt.serving.leaving import unless_left

    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("work")

    async def ask() -> None:
        sender: Any = Sender()
        asyncio.get_running_loop().call_later(0.01, sender.leaves.set)
        with pytest.raises(ClientDisconnect):
            await unless_left(sender, work())
        assert ended == ["work"]

    asyncio.run(ask())


def test_a_failure_of_the_work_is_told() -> None:
    from tsprompt.serving.leaving import unless_left

    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("it failed")

    async def ask() -> None:
        with pytest.raises(ValueError, match="it failed"):
            await unless_left(Sender(), work())  # type: ignore[arg-type]

    asyncio.run(ask())
