"""The best of a search: what is kept, and when it gives up."""

from __future__ import annotations

import pytest

from tsprompt.base.best_so_far import Best

NAN = float("nan")


def follow(losses: list[float], patience: int | None = None) -> Best[int]:
    """A search whose tries have these losses; what is kept is the number of a try, at first -1."""
    best = Best(-1, patience)
    for number, loss in enumerate(losses):
        if best.offer(loss):
            best.kept = number
        if best.exhausted:
            break
    return best


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([3.0, 1.0, 2.0], 1),
        ([1.0, 1.0], 0),  # the first of equals
        ([NAN, 2.0, NAN, 1.0], 3),
        ([2.0, NAN], 0),
        ([NAN, NAN], -1),
        ([float("inf")], -1),
        ([], -1),
    ],
)
def test_the_least_loss_is_kept(losses: list[float], kept: int) -> None:
    best = follow(losses)
    assert best.kept == kept
    assert best.improved == (kept >= 0)
    assert best.loss == (losses[kept] if kept >= 0 else float("inf"))


def test_patience_counts_from_the_last_improvement() -> None:
    best = follow([5.0, 6.0, 4.0, 4.0, 4.0, 1.0], patience=2)
    assert (best.kept, best.waited) == (2, 2)
    assert follow([5.0, 6.0, 4.0, 4.0, 4.0, 1.0], patience=3).kept == 5
    assert follow([NAN] * 9, patience=4).waited == 4


def test_without_patience_it_never_ends() -> None:
    assert not follow([1.0] * 50).exhausted


def test_a_first_loss_that_is_no_number_is_beaten_by_any() -> None:
    best = Best("start", 2, NAN)
    assert not best.improved
    assert best.waited == 0
    assert best.offer(9.0)
