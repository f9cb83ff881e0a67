"""Clusters that are not there are told at once; results are merged in order, each once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tsprompt.base.backends import Local, Reduction
from tsprompt.base.backends.answers import check_answers
from tsprompt.base.backends.base import pairs
from tsprompt.errors import ConfigError


@pytest.mark.parametrize("name", ["ray", "dask"])
def test_a_cluster_that_is_not_there_is_told_at_once(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no {name.capitalize()} cluster answers at"):
        check_answers(name, "127.0.0.1:9")
    with pytest.raises(ConfigError, match="give HOST:PORT"):
        check_answers(name, "nowhere")
    check_answers(name, None)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 20])
def test_each_result_is_merged_once(count: int) -> None:
    def joined(parts: Sequence[list[int]]) -> list[int]:
        return [one for part in parts for one in part]

    tasks, told = [(i,) for i in range(count)], []
    work = Reduction(lambda add, i: [add + i], tasks, joined, shared=5, told=told.append)
    made = Local(1).reduce(work)
    assert made == [5 + i for i in range(count)]
    assert told == [*range(1, count + 1)]
    assert pairs([[i] for i in range(count)], lambda *pair: joined(pair)) == [*range(count)]
