"""Batches: side by side, filled by tokens, halved where memory runs out."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from tsprompt.backbones import BatchSize
from tsprompt.backbones.batches import is_out_of_memory
from tsprompt.errors import TspromptError, TspromptNotice


def covered(batch: BatchSize, count: int, length: int, fits: int = 10**9) -> list[int]:
    """Run over `count` rows on a device where `fits` rows fit; gives the rows in the order run."""

    def step(part: slice) -> list[int]:
        rows = list(range(count))[part]
        if len(rows) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return rows

    return [row for rows in batch.run(count, length, step) for row in rows]


@pytest.fixture
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("count", [1, 16, 50, 97])
def test_batches_side_by_side_come_in_order(count: int) -> None:
    seen: set[int] = set()
    barrier = threading.Barrier(3, timeout=60)

    def step(part: slice) -> tuple[int, list[int]]:
        seen.add(threading.get_ident())
        if count == 97 and part.start < 48:
            barrier.wait()  # three must be begun before one can end
        return torch.get_num_threads(), list(range(count))[part]

    answers = list(BatchSize(160, cores=3).run(count, 10, step))
    assert [row for _, rows in answers for row in rows] == list(range(count))
    if count > 16:
        assert {threads for threads, _ in answers} == {1}
        assert threading.get_ident() not in seen
    assert torch.get_num_threads() == 2
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == 2


def test_batches_are_filled_by_tokens() -> None:
    assert BatchSize(100).rows(10) == 10
    assert BatchSize(100).rows(30) == 3
    assert BatchSize(100).rows(1000) == 1
    assert covered(BatchSize(100), 25, 10) == list(range(25))
    assert covered(BatchSize(100), 0, 10) == []


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize("fits", [1, 2, 3, 7])
def test_running_out_of_memory_halves_the_batch_loses_no_row_and_is_said_once(
    fits: int, cores: int
) -> None:
    batch = BatchSize(160, cores)
    with pytest.warns(TspromptNotice, match="memory ran out with 16 rows of 10 tokens") as said:
        assert covered(batch, 50, 10, fits) == list(range(50))
    assert len(said) == 1
    assert f"batch_tokens={80}" in str(said[0].message)
    assert batch.rows(10) <= fits
    covered(batch, 50, 10, max(1, fits // 2))
    assert len(said) == 1


def test_one_row_that_does_not_fit_says_what_to_do() -> None:
    with (
        pytest.warns(TspromptNotice, match="memory ran out"),
        pytest.raises(TspromptError, match=r"one row of 10 tokens; use fewer steps .*steps=32"),
    ):
        covered(BatchSize(40), 5, 10, fits=0)


@pytest.fixture
def _no_garbage_collector() -> Iterator[None]:
    """Nobody comes by to break circles of references: on a GPU there is no time for it."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_garbage_collector")
@pytest.mark.parametrize("cores", [1, 3])
def test_what_a_failed_attempt_has_made_is_free_before_the_next(
    monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    made: list[weakref.ref[torch.Tensor]] = []
    left: list[int] = []
    lock = threading.Lock()

    def allocate(rows: int) -> torch.Tensor:
        held = torch.zeros(rows)
        with lock:
            made.append(weakref.ref(held))
        if rows > 3:
            try:
                raise RuntimeError("CUDA error: out of memory")
            except RuntimeError as error:
                raise torch.OutOfMemoryError("CUDA out of memory") from error
        return held

    def step(part: slice) -> int:
        before = torch.zeros(part.stop - part.start)
        with lock:
            made.append(weakref.ref(before))
        return len(before + allocate(part.stop - part.start))

    alive = lambda: sum(one() is not None for one in made)  # noqa: E731
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: left.append(alive()))
    with pytest.warns(TspromptNotice, match="memory ran out"):
        assert sum(BatchSize(160, cores).run(50, 10, step)) == 50
    assert left == [0, 0, 0]  # 16 rows, 8, 4: none of them fits
    assert alive() == 0


@pytest.mark.parametrize("cores", [1, 3])
def test_only_errors_about_memory_are_caught(cores: int) -> None:
    def fail(part: slice) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(BatchSize(10, cores).run(50, 1, fail))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert is_out_of_memory(torch.OutOfMemoryError("x"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
    assert not is_out_of_memory(RuntimeError("nan"))
