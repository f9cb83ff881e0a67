"""Train and test from one file: shares, groups, parts of a cross-validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt.data import Cases
from tsprompt.errors import DatasetError
from tsprompt_datasets import ReadOptions, SplitOptions, read, read_own
from tsprompt_datasets.own_data.content import Content
from tsprompt_datasets.own_data.splits import split


def content(counts: dict[str, int], groups: list[str] | None = None) -> Content:
    labels = np.array([one for one, count in counts.items() for _ in range(count)])
    held = None if groups is None else np.array(groups)
    return Content(Cases(np.zeros((len(labels), 3, 1))), labels, held)


def counts_of(labels: np.ndarray) -> dict[str, int]:
    names, counts = np.unique(labels, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def test_a_share_keeps_the_classes_in_proportion() -> None:
    held = content({"a": 60, "b": 20, "c": 10})
    train, test, said = split("x", held, SplitOptions())
    assert held.labels is not None
    assert counts_of(held.labels[test]) == {"a": 18, "b": 6, "c": 3}
    assert sorted([*train, *test]) == list(range(90))
    assert (
        said == "test: 27 of 90 cases, drawn in proportion to the classes (a share of 0.3, seed 0)"
    )
    again = split("x", held, SplitOptions())
    other = split("x", held, SplitOptions(seed=1))
    assert again[1].tolist() == test.tolist() != other[1].tolist()


def test_a_class_of_one_case_stays_in_train() -> None:
    held = content({"a": 10, "b": 10, "c": 1})
    train, test, _ = split("x", held, SplitOptions(test_size=0.5))
    assert 20 in train
    assert 20 not in test


def test_a_few_cases_are_parted_too() -> None:
    _, test, _ = split("x", content({"a": 2, "b": 2, "c": 2}), SplitOptions())
    assert len(test) == 3
    with pytest.raises(DatasetError, match="too few to part"):
        split("x", content({"a": 1, "b": 1}), SplitOptions())


@pytest.mark.parametrize("size", [0.2, 0.3, 0.5])
def test_groups_stay_on_one_side(size: float) -> None:
    groups = [f"person {i // 4 % 9}" for i in range(72)]
    held = content({"a": 36, "b": 36}, groups)
    train, test, said = split("x", held, SplitOptions(test_size=size))
    assert held.groups is not None
    assert held.labels is not None
    assert not set(held.groups[train]) & set(held.groups[test])
    assert set(held.labels[test]) == {"a", "b"}
    assert abs(len(test) / 72 - size) < 0.15
    assert "of 9 groups" in said


@pytest.mark.parametrize("options", [{"test_size": 0.25}, {"cv": 4}])
def test_another_seed_parts_groups_that_are_alike_in_another_way(options: dict[str, Any]) -> None:
    held = content({"a": 30, "b": 30}, [str(i % 12) for i in range(60)])
    assert held.groups is not None
    drawn = [
        frozenset(held.groups[split("x", held, SplitOptions(seed=seed, **options))[1]].tolist())
        for seed in range(5)
    ]
    assert len(set(drawn)) > 1
    again = split("x", held, SplitOptions(seed=0, **options))[1]
    assert frozenset(held.groups[again].tolist()) == drawn[0]


def test_groups_that_are_classes_can_not_be_parted() -> None:
    held = content({"a": 10, "b": 10}, ["g"] * 10 + ["h"] * 10)
    with pytest.raises(DatasetError, match="in test alone"):
        split("x", held, SplitOptions())
    with pytest.raises(DatasetError, match="1 group can't be parted"):
        split("x", content({"a": 4, "b": 4}, ["g"] * 8), SplitOptions())


@pytest.mark.parametrize("grouped", [False, True])
def test_each_case_is_in_test_once(grouped: bool) -> None:
    groups = [str(i % 10) for i in range(60)] if grouped else None
    held = content({"a": 30, "b": 30}, groups)
    tests = [split("x", held, SplitOptions(cv=5, fold=fold))[1] for fold in range(5)]
    assert sorted(np.concatenate(tests).tolist()) == list(range(60))


def test_too_many_parts() -> None:
    with pytest.raises(DatasetError, match="give cv=4 or less"):
        split("x", content({"a": 4, "b": 4}), SplitOptions(cv=6))
    with pytest.raises(DatasetError, match="class 'b' has 1 case"):
        split("x", content({"a": 9, "b": 1}), SplitOptions(cv=3))


LONG = "id,time,x,label,who\n" + "".join(
    f"{case},{t},{case * 0.5 + t},{'ud'[case % 2]},p{case // 4}\n"
    for case in range(16)
    for t in range(3)
)


def test_train_and_test_that_come_apart(tmp_path: Path) -> None:
    for name in ("a_TRAIN.csv", "a_TEST.csv", "new.csv"):
        (tmp_path / name).write_text(LONG + "\n" * ("TEST" in name))  # other bytes
    assert len(read(tmp_path).test) == 16  # the folder's pair
    assert len(read(tmp_path / "new.csv", test=tmp_path / "a_TEST.csv").train) == 16
    with pytest.raises(DatasetError, match="train and test apart; leave out"):
        read(tmp_path, test_size=0.5)


def test_a_pair_is_taken_where_train_is_named(tmp_path: Path) -> None:
    for name in ("a_TRAIN.csv", "a_TEST.csv"):
        (tmp_path / name).write_text(LONG + "\n" * ("TEST" in name))  # other bytes
    own = read_own(tmp_path / "a_TRAIN.csv", ReadOptions(), SplitOptions())
    assert len(own.dataset.test) == len(own.dataset.train) == 16
    assert own.understood[-1] == "test: a_TEST.csv, 16 cases"
    assert set(own.dataset.sha256) == {"a_TRAIN.csv", "a_TEST.csv"}
    drawn = read_own(tmp_path / "a_TRAIN.csv", ReadOptions(), SplitOptions(test_size=0.25))
    assert len(drawn.dataset.test) == 4


def test_groups_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(LONG)
    found = read(tmp_path / "a.csv", groups="who")
    assert found.train.cases.features == ("x",)
    assert len(found.test) == 4


def test_the_columns_of_test_are_put_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,time,u,v,label\n1,0,1,2,a\n1,1,3,4,a\n2,0,5,6,b\n2,1,7,8,b\n"
    )
    (tmp_path / "b.csv").write_text("v,label,u,time,id\n2,a,1,0,9\n4,a,3,1,9\n")
    found = read(tmp_path / "a.csv", test=tmp_path / "b.csv")
    assert found.test.cases[0].tolist() == [[1, 2], [3, 4]]
    assert found.test.cases.ids == ("9",)
