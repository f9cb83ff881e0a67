"""Equal rows are found by a hash, and held to be equal by comparison alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tsprompt.reading import distinct
from tsprompt.reading.distinct import Distinct, hash_rows

Rows = list[tuple[int, int]]


def by_dict(batches: list[Rows]) -> list[list[int]]:
    """The numbers of rows, by a table of Python."""
    known: dict[tuple[int, int], int] = {}
    return [[known.setdefault(row, len(known)) for row in rows] for rows in batches]


def by_distinct(batches: list[Rows], held: int | None = None) -> list[list[int]]:
    known, found = Distinct(held), []
    for rows in batches:
        values = torch.tensor([[row, 7.0, row] for row, _ in rows])
        before = len(known)
        numbers, new = known.add(values, np.array([at for _, at in rows]))
        assert numbers[new].tolist() == list(range(before, len(known)))
        assert new.tolist() == sorted(new)
        found.append(numbers.tolist())
    return found


BATCHES = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=12), max_size=5
)


@given(BATCHES)
def test_numbers_are_those_of_a_table(batches: list[Rows]) -> None:
    assert by_distinct(batches) == by_dict(batches)


@pytest.mark.parametrize("hashes", [np.zeros, lambda n: np.arange(n) % 2])
@given(BATCHES)
def test_rows_that_share_a_hash_are_told_apart(
    hashes: Callable[[int], np.ndarray], batches: list[Rows]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            distinct,
            "hash_rows",
            lambda rows: hashes(5)[rows[:, 0].to(torch.int64).numpy()].astype(np.int64),
        )
        assert by_distinct(batches) == by_dict(batches)


@given(BATCHES)
def test_what_is_not_held_any_more_is_read_again_and_never_merged(batches: list[Rows]) -> None:
    found = by_distinct(batches, held=0)
    for rows, numbers in zip(batches, found, strict=True):
        expected = by_dict([rows])[0]
        assert [one - min(numbers) for one in numbers] == expected
    assert len({one for numbers in found for one in numbers}) == sum(
        len(set(rows)) for rows in batches
    )


def test_the_latest_rows_are_held() -> None:
    known = Distinct(held=3 * 8)  # three rows of one number
    for first in (0, 2, 4):
        known.add(torch.tensor([[first], [first + 1]]), np.zeros(2, np.intp))
    numbers, new = known.add(torch.tensor([[5], [0]]), np.zeros(2, np.intp))
    assert numbers.tolist() == [5, 6]
    assert new.tolist() == [1]
    again, _ = known.add(torch.tensor([[0]]), np.zeros(1, np.intp))
    assert again.tolist() == [6]


def test_rows_are_equal_bit_by_bit() -> None:
    nan = float("nan")
    rows = torch.tensor([[0.0], [-0.0], [nan], [nan]])
    assert Distinct().add(rows, np.zeros(4, np.intp)).numbers.tolist() == [0, 1, 2, 2]


def test_rows_of_other_sizes_and_other_places_are_others() -> None:
    known = Distinct()
    known.add(torch.zeros(1, 2), np.zeros((1, 1), np.intp))
    known.add(torch.zeros(1, 4), np.zeros((1, 1), np.intp))
    known.add(torch.zeros(1, 2), np.zeros((1, 2), np.intp))
    known.add(torch.zeros(0, 2), np.zeros((0, 1), np.intp))
    assert len(known) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("width", [1, 3, 8])
def test_every_number_of_a_row_counts(dtype: torch.dtype, width: int) -> None:
    rows = torch.cat([torch.zeros(1, width), torch.eye(width)]).to(dtype)
    assert len(set(hash_rows(rows).tolist())) == width + 1
    assert len(set(Distinct().add(rows, np.zeros(width + 1, np.intp)).numbers)) == width + 1


def test_a_single_row_is_known_when_it_comes_again() -> None:
    rows, place = torch.arange(6.0).view(3, 2), np.zeros(3, np.intp)
    seen = Distinct()
    first = seen.add(rows[:1], place[:1])
    assert (first.numbers.tolist(), first.new.tolist(), len(seen)) == ([0], [0], 1)
    assert seen.add(rows, place).numbers.tolist() == [0, 1, 2]
    again = seen.add(rows[:1], place[:1])
    assert (again.numbers.tolist(), again.new.tolist(), len(seen)) == ([0], [], 3)


def test_an_accelerator_makes_the_hashes_of_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.randn(9, 5, 3, generator=torch.Generator().manual_seed(0))
    expected = hash_rows(rows)
    monkeypatch.setattr(distinct, "_PIECE", 130)
    assert (distinct.sums_by_pieces(distinct.words_of(rows)).numpy() == expected).all()


@pytest.mark.gpu
def test_a_gpu_finds_the_same_rows() -> None:
    rows = torch.randint(0, 2, (200, 6), generator=torch.Generator().manual_seed(0)).float()
    place = np.arange(200) % 2
    on = [Distinct().add(one, place) for one in (rows, rows.cuda())]
    assert (on[0].numbers == on[1].numbers).all()
