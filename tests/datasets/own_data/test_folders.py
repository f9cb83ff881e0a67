"""Folders with a file for each case, and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprompt.errors import DatasetError
from tsprompt_datasets import ReadOptions, is_path, read, read_cases


def frames(count: int = 8) -> list[pd.DataFrame]:
    rng = np.random.default_rng(0)
    return [pd.DataFrame(rng.normal(size=(4 + i % 3, 2)), columns=["u", "v"]) for i in range(count)]


def save(frame: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, frame.to_numpy())
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".txt":
        frame.to_csv(path, sep="\t", index=False, header=False)
    else:
        frame.to_csv(path, index=False)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".npy", ".txt"])
def test_labels_are_the_subfolders_names(tmp_path: Path, ending: str) -> None:
    held = frames()
    for i, frame in enumerate(held):
        save(frame, tmp_path / "set" / ("walk slow", "01")[i % 2] / f"{i}{ending}")
    content = read_cases(tmp_path / "set")
    assert content.labels is not None
    assert content.cases.ids is not None
    for case, name, label in zip(content.cases, content.cases.ids, content.labels, strict=True):
        folder, file = name.split("/")
        assert label == folder
        np.testing.assert_array_equal(case, held[int(file.split(".")[0])].to_numpy())
    named = ending not in (".npy", ".txt")
    assert content.cases.features == (("u", "v") if named else None)
    assert len(read(tmp_path / "set").train) == 5


@pytest.mark.parametrize("key", ["{i}.csv", "{i}", "./{i}.csv"])
def test_labels_stand_in_a_table(tmp_path: Path, key: str) -> None:
    for i, frame in enumerate(frames()):
        save(frame, tmp_path / f"{i}.csv")
    names = [key.format(i=i) for i in range(8)][::-1]
    pd.DataFrame({"file": names, "kind": ["b", "a"] * 4, "who": list("ppppqqqq")}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    found = read_cases(tmp_path, ReadOptions(label="kind", groups="who"))
    assert found.labels is not None
    assert found.labels.tolist() == ["a", "b"] * 4
    assert found.groups is not None
    assert found.groups.tolist() == list("qqqqpppp")
    with pytest.raises(DatasetError, match='label="kind" or label="who"'):
        read_cases(tmp_path)


def test_mistakes_in_a_folder(tmp_path: Path) -> None:
    for i, frame in enumerate(frames(4)):
        save(frame, tmp_path / "ab"[i % 2] / f"{i}.csv")
    save(frames()[0].rename(columns={"u": "w"}), tmp_path / "b" / "9.csv")
    with pytest.raises(DatasetError, match=r"9.csv: no column is called 'u'"):
        read_cases(tmp_path)
    save(frames()[0].assign(more=1.0), tmp_path / "b" / "9.csv")
    with pytest.raises(DatasetError, match=r"9.csv: has `more`, which a/0.csv has not"):
        read_cases(tmp_path)
    (tmp_path / "b" / "9.csv").write_text("")
    with pytest.raises(DatasetError, match=r"9.csv is empty"):
        read_cases(tmp_path)
    (tmp_path / "b" / "9.csv").write_text("u,v\n1,2\n1,x\n")
    with pytest.raises(DatasetError, match=r"9.csv, line 3: column `v` holds 'x'"):
        read_cases(tmp_path)
    (tmp_path / "b" / "9.csv").unlink()
    save(frames()[0], tmp_path / "loose.csv")
    with pytest.raises(DatasetError, match="both beside and in its subfolders"):
        read_cases(tmp_path)


def test_a_table_that_lacks_a_file(tmp_path: Path) -> None:
    for i, frame in enumerate(frames(3)):
        save(frame, tmp_path / f"{i}.csv")
    (tmp_path / "labels.csv").write_text("file,label\n0.csv,a\n1.csv,b\n")
    with pytest.raises(DatasetError, match=r"labels.csv: has no row for 2.csv"):
        read_cases(tmp_path)


def test_times_in_the_files_of_cases(tmp_path: Path) -> None:
    for i, frame in enumerate(frames(4)):
        save(
            frame.assign(time=np.arange(len(frame))[::-1] * 0.5),
            tmp_path / "ab"[i % 2] / f"{i}.csv",
        )
    content = read_cases(tmp_path)
    assert content.cases.features == ("u", "v")
    np.testing.assert_array_equal(content.cases[0], frames()[0].to_numpy()[::-1])
    save(frames()[0].assign(time=[0, 1, 3, 4]), tmp_path / "b" / "9.csv")
    with pytest.raises(DatasetError, match=r"9.csv, line 4: time `time` is not even"):
        read_cases(tmp_path)
    assert len(read_cases(tmp_path, ReadOptions(resample="10")).cases[0]) == 10


def test_a_folder_without_data_lists_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.docx").write_text("x")
    (tmp_path / "old").mkdir()
    with pytest.raises(DatasetError, match=r"holds `notes.docx`, `old/`, but no data"):
        read(tmp_path)
    assert not is_path("no-such-name")


def test_folders_of_train_and_test(tmp_path: Path) -> None:
    for i, frame in enumerate(frames()):
        save(frame, tmp_path / ("train", "test")[i // 4] / "ab"[i % 2] / f"{i}.csv")
    found = read(tmp_path)
    assert (len(found.train), len(found.test)) == (4, 4)


def savez(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


X = np.random.default_rng(0).normal(size=(10, 5, 2))


@pytest.mark.parametrize(
    "y", [np.arange(10) % 2, np.arange(10) % 2 == 0, np.array(["a b", "01"] * 5)]
)
def test_arrays_keep_types_and_names(tmp_path: Path, y: Any) -> None:
    ids = np.array([f"c{i}" for i in range(10)])
    path = savez(tmp_path / "a.npz", X=X, y=y, ids=ids, features=np.array(["u", "v"]))
    content = read_cases(path)
    assert content.labels is not None
    assert content.labels.dtype == y.dtype
    assert content.cases.ids == tuple(ids)
    assert content.cases.features == ("u", "v")
    np.testing.assert_array_equal(np.stack(list(content.cases)), X)
    assert len(read(path).test) == 3


def test_arrays_with_train_and_test(tmp_path: Path) -> None:
    y = np.arange(10) % 2
    path = savez(tmp_path / "a.npz", X_train=X, y_train=y, X_test=X[:4], y_test=y[:4])
    assert len(read(path).test) == 4


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"Z": X}, "no array called X; it has `Z`"),
        ({"X": X, "y": np.arange(9)}, "y has shape .9,., but X has 10 cases"),
        ({"X": X, "y": np.eye(10)}, "argmax"),
        ({"X": X[0, 0], "y": np.arange(2)}, "it must be .cases, timesteps"),
        ({"X": X.astype(str), "y": np.arange(10)}, "not numbers"),
        ({"X": X, "y": np.array([None] * 10)}, "Python objects"),
        ({"X": X, "y": np.arange(10), "features": np.array(["u"])}, "1 name of features for 2"),
        ({"X": X, "y": np.zeros(10)}, "two classes or more"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        read(savez(tmp_path / "a.npz", **arrays))
