"""Requests share a pass, and none suffers from another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from tsprompt.data import Cases

pytestmark = pytest.mark.extra("serve")


class Model:
    """Says of a case what its first value is, and keeps what it was asked."""

    def __init__(self) -> None:
        self.passes: list[dict[str, int]] = []
        self.go = threading.Event()
        self.go.set()

    def predict(self, asked: dict[str, Cases]) -> dict[str, Any]:
        self.go.wait(10)
        self.passes.append({key: len(cases) for key, cases in asked.items()})
        firsts = {key: np.array([one[0, 0] for one in cases]) for key, cases in asked.items()}
        if any((own < 0).any() for own in firsts.values()):
            raise ValueError("negative")
        return {key: np.stack([own, 1 - own], axis=1) for key, own in firsts.items()}


def cases(*firsts: float) -> Cases:
    return Cases([np.array([[first], [0.0]]) for first in firsts])


def run(model: Model, work: Callable[[Any], Awaitable[Any]], **limits: Any) -> Any:
    """What `work` gives, with a batcher that is running."""
    from tsprompt.serving.batching import Batcher
    from tsprompt.serving.limits import Limits
    from tsprompt.serving.metrics import Metrics

    async def whole() -> Any:
        batcher = Batcher(model.predict, Limits(**limits), Metrics())
        running = asyncio.create_task(batcher.run())
        try:
            return await asyncio.wait_for(work(batcher), 20)
        finally:
            model.go.set()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    return asyncio.run(whole())


def test_those_that_wait_share_a_pass_across_models() -> None:
    model = Model()

    async def work(batcher: Any) -> list[Any]:
        asks = [batcher.ask("a", cases(0.1, 0.2)), batcher.ask("b", cases(0.3))]
        return list(await asyncio.gather(*asks, batcher.ask("a", cases(0.4))))

    found = run(model, work)
    assert [own[:, 0].tolist() for own in found] == [[0.1, 0.2], [0.3], [0.4]]
    assert model.passes == [{"a": 3, "b": 1}]


def test_a_request_waits_for_one_that_is_being_read() -> None:
    model = Model()

    async def work(batcher: Any) -> None:
        with batcher.coming():
            first = asyncio.create_task(batcher.ask("a", cases(0.1)))
            await asyncio.sleep(0.05)
        await batcher.ask("a", cases(0.2))
        await first

    run(model, work, wait_ms=5000)
    assert model.passes == [{"a": 2}]


def test_nobody_waits_when_nobody_comes() -> None:
    async def work(batcher: Any) -> None:
        await batcher.ask("a", cases(0.1))

    run(Model(), work, wait_ms=60_000)


def test_a_large_request_gives_way_between_passes() -> None:
    model = Model()
    done: list[str] = []

    async def work(batcher: Any) -> Any:
        async def ask(name: str, *firsts: float) -> Any:
            found = await batcher.ask(name, cases(*firsts))
            done.append(name)
            return found

        large = asyncio.create_task(ask("large", *np.linspace(0, 1, 20)))
        await asyncio.sleep(0.05)
        return (await asyncio.gather(large, ask("small", 0.5)))[0]

    model.go.clear()
    threading.Timer(0.2, model.go.set).start()
    found = run(model, work, batch_cases=4)
    np.testing.assert_allclose(found[:, 0], np.linspace(0, 1, 20))
    assert done == ["small", "large"]
    assert max(sum(one.values()) for one in model.passes) <= 4


def test_what_one_request_does_wrong_the_others_do_not_suffer() -> None:
    async def work(batcher: Any) -> list[Any]:
        asks = [batcher.ask("a", cases(one)) for one in (0.1, -1.0, 0.3)]
        return list(await asyncio.gather(*asks, return_exceptions=True))

    first, second, third = run(Model(), work)
    assert (first[0, 0], third[0, 0]) == (0.1, 0.3)
    assert isinstance(second, ValueError)


def test_a_full_queue_says_so_and_one_that_leaves_makes_room() -> None:
    from tsprompt.serving.refusals import RefusalError

    model = Model()
    model.go.clear()

    async def work(batcher: Any) -> tuple[int, int | None]:
        running = asyncio.create_task(batcher.ask("a", cases(0.1)))
        await asyncio.sleep(0.05)  # it is in a pass, not in the queue
        waiting = asyncio.create_task(batcher.ask("a", cases(0.2)))
        await asyncio.sleep(0)
        with pytest.raises(RefusalError) as refused:
            await batcher.ask("a", cases(0.3))
        waiting.cancel()
        await asyncio.sleep(0)
        last = asyncio.create_task(batcher.ask("a", cases(0.4)))
        await asyncio.sleep(0)
        model.go.set()
        await asyncio.gather(running, last)
        return refused.value.status, refused.value.retry_after

    assert run(model, work, queue=1) == (429, 1)


def test_it_knows_which_models_are_being_asked() -> None:
    model = Model()
    model.go.clear()

    async def work(batcher: Any) -> None:
        asked = asyncio.create_task(batcher.ask("a", cases(0.1)))
        await asyncio.sleep(0.05)
        assert batcher.busy("a")
        assert not batcher.busy("b")
        model.go.set()
        await asked
        assert not batcher.busy("a")

    run(model, work)
