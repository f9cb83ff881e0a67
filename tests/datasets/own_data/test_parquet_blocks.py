"""Blocks of Parquet files are all their cases, each once; what can't be cut is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprompt.errors import DatasetError
from tsprompt_datasets import CaseBlocks, ReadOptions, blocks_of, read_block, read_cases

LONG = {"layout": "long", "id": "id", "time": "time", "label": "label", "values": ["x"]}


def wide(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    made = pd.DataFrame(rng.normal(size=(count, 5)), columns=[f"t{i}" for i in range(5)])
    return made.assign(label=rng.choice(["a", "b"], count))


def long(names: str) -> pd.DataFrame:
    rows = [(name, step, i + step / 10) for i, name in enumerate(names) for step in range(3)]
    return pd.DataFrame(rows, columns=["id", "time", "x"]).assign(label="a")


def write(folder: Path, **frames: pd.DataFrame) -> Path:
    folder.mkdir(exist_ok=True)
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", row_group_size=4)
    return folder


def cases_of(found: CaseBlocks) -> list[Any]:
    return [
        np.asarray(one) for block in found.blocks for one in read_block(block, found.options).cases
    ]


def test_blocks_of_wide_files_are_all_cases_in_order(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a=wide(23), b=wide(5, 1), _left_out=wide(3, 2))
    (folder / "deep").mkdir()
    wide(2, 3).to_parquet(folder / "deep" / "c.parquet")
    found = blocks_of(folder, ReadOptions(), {}, 6)
    assert [file.name for file in found.files] == ["a.parquet", "b.parquet", "deep/c.parquet"]
    assert found.cases == 30
    # A block ends with a row group of 4, where one ends in its second half.
    assert [block.cases for block in found.blocks] == [4, 4, 4, 4, 4, 3, 5, 2]
    whole = [
        np.asarray(case) for file in found.files for case in read_cases(folder / file.name).cases
    ]
    assert all(np.array_equal(*pair) for pair in zip(cases_of(found), whole, strict=True))
    assert found.label_type == "string"
    labels = np.concatenate([read_block(one, found.options).labels for one in found.blocks[:6]])
    assert labels.tolist() == wide(23)["label"].tolist()


def test_blocks_of_long_files_are_cut_between_cases(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a=long("abcdefg"), b=long("hij"))
    found = blocks_of(folder, ReadOptions(), LONG, 3)
    assert [(one.rows, one.first) for one in found.blocks] == [
        (range(9), 0),
        (range(9, 18), 3),
        (range(18, 21), 6),
        (range(9), 0),
    ]
    read = [read_block(one, found.options) for one in found.blocks]
    assert [name for one in read for name in one.cases.ids] == list("abcdefghij")
    assert np.array_equal(np.ravel(read[1].cases[0]), [3, 3.1, 3.2])


@pytest.mark.parametrize(
    ("frames", "where"),
    [
        (
            {"a": long("abca")},
            r"a.parquet, row 10: case 'a' \(`id`\) comes back, .* a.parquet, row 1",
        ),
        ({"a": long("ab"), "b": long("bc")}, r"b.parquet, row 1: case 'b' .* a.parquet, row 4"),
    ],
)
def test_a_case_that_comes_back_is_refused(
    frames: dict[str, pd.DataFrame], where: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=where):
        blocks_of(write(tmp_path / "in", **frames), ReadOptions(), LONG, 2)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (wide(4).drop(columns="t3"), "`t3` is not there"),
        (wide(4).assign(extra="x"), "`extra` is new"),
        (wide(4).assign(t2="x"), "`t2` is of type .*string, and there of type double"),
        (wide(4).assign(label=1), "`label` is of type int64, and there of type"),
    ],
)
def test_a_schema_that_changes_names_file_and_column(
    other: pd.DataFrame, what: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "in", a=wide(4), b=wide(4, 1), c=other)
    with pytest.raises(
        DatasetError, match=f"c.parquet: its columns are not those of a.parquet: {what}"
    ):
        blocks_of(folder, ReadOptions(), {}, 10)


def test_numbers_of_another_width_are_numbers(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a=wide(4), b=wide(4).astype({"t1": "float32"}))
    assert blocks_of(folder, ReadOptions(), {}, 10).cases == 8


def test_what_holds_no_parquet_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    for path, what in ((tmp_path, "holds no Parquet"), (tmp_path / "a.csv", "is no Parquet")):
        with pytest.raises(DatasetError, match=what):
            blocks_of(path, ReadOptions(), {}, 10)
    with pytest.raises(DatasetError, match="no such file"):
        blocks_of(tmp_path / "absent", ReadOptions(), {}, 10)
    (tmp_path / "b.parquet").write_text("no")
    with pytest.raises(DatasetError, match=r"b\.parquet"):
        blocks_of(tmp_path, ReadOptions(), {}, 10)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", a=wide(9))
    found = blocks_of(folder, ReadOptions(), {}, 4)
    write(folder, a=wide(10))
    with pytest.raises(DatasetError, match=r"a\.parquet: has changed"):
        read_block(found.blocks[0], found.options)
    (folder / "a.parquet").unlink()
    with pytest.raises(DatasetError, match="all machines must see"):
        read_block(found.blocks[0], found.options)


def test_a_mistake_is_told_by_its_row_in_the_file(tmp_path: Path) -> None:
    frame = wide(9)
    frame.loc[6, "t2"] = np.inf
    found = blocks_of(write(tmp_path / "in", a=frame), ReadOptions(), {}, 4)
    with pytest.raises(DatasetError, match=r"a\.parquet, row 7: "):
        cases_of(found)
