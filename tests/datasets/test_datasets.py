"""Data sets: found where they should be, checked, cached, described, resampled."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsprompt_datasets
from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import ConfigError, DatasetError, TspromptNotice
from tsprompt_datasets import (
    archive_names,
    cache,
    dataset_info,
    fetch_dataset,
    list_datasets,
    load_dataset,
    load_file,
    resample_dataset,
)
from tsprompt_datasets.readers import READERS, SeriesFile

ARCHIVES = Path(__file__).parents[2].parent / "shared" / "data"
MANIFEST = ARCHIVES / "MANIFEST.csv"


def manifest() -> list[dict[str, str]]:
    if not MANIFEST.is_file():
        return []
    with MANIFEST.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TSPROMPT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TSPROMPT_DATA_DIR", raising=False)
    return tmp_path / "cache"


def write_set(folder: Path, name: str, train: str = "a\t1\t2\nb\t3\t4\n", test: str = "") -> Path:
    """A .tsv set in `folder`/`name`; test is train where not given."""
    (folder / name).mkdir(parents=True)
    (folder / name / f"{name}_TRAIN.tsv").write_text(train)
    (folder / name / f"{name}_TEST.tsv").write_text(test or train)
    return folder


def test_import_is_light_and_all_is_true() -> None:
    code = (
        "import sys, tsprompt_datasets as d; d.list_datasets(); d.archive_names();"
        "print([m for m in ('torch', 'sktime', 'pandas', 'scipy') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert output.stdout.strip() == "[]"
    assert sorted(tsprompt_datasets.__all__) == tsprompt_datasets.__all__
    for name in tsprompt_datasets.__all__:
        assert getattr(tsprompt_datasets, name).__module__.startswith("tsprompt_datasets.")


# Finding


def test_bundled_sets_are_listed_without_regression_sets() -> None:
    names = {entry.name: entry.source for entry in list_datasets()}
    expected = {"ArrowHead", "GunPoint", "ItalyPowerDemand", "BasicMotions", "JapaneseVowels"}
    assert expected < set(names)
    assert "Tecator" not in names
    assert set(names.values()) == {"bundled"}
    with pytest.raises(DatasetError, match=r"Tecator_TRAIN.ts, line \d+: this is a regression"):
        load_dataset("Tecator")


def test_bundled_set_keeps_identity_and_spelling() -> None:
    dataset = load_dataset("BasicMotions")
    assert dataset.source == "bundled"
    assert dataset.classes == ["Standing", "Running", "Walking", "Badminton"]
    assert (len(dataset.train), len(dataset.test)) == (40, 40)
    assert dataset.train.cases[0].shape == (100, 6)
    assert sorted(dataset.sha256) == ["BasicMotions_TEST.ts", "BasicMotions_TRAIN.ts"]


@pytest.mark.parametrize("layout", ["", "group", "itself"])
@pytest.mark.parametrize("given_by", ["argument", "environment"])
def test_data_dir_layouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, given_by: str
) -> None:
    data_dir = tmp_path / "data"
    write_set(data_dir / "group" if layout == "group" else data_dir, "Mine")
    if layout == "itself":
        data_dir = data_dir / "Mine"
    argument = str(data_dir) if given_by == "argument" else None
    if given_by == "environment":
        monkeypatch.setenv("TSPROMPT_DATA_DIR", str(data_dir))
    assert load_dataset("Mine", data_dir=argument).source == "data-dir"
    listed = [(e.name, e.formats) for e in list_datasets(argument) if e.source == "data-dir"]
    assert listed == [("Mine", (".tsv",))]


def test_data_dir_precedes_bundled_and_ts_precedes_tsv(tmp_path: Path) -> None:
    write_set(tmp_path, "GunPoint")
    with pytest.warns(TspromptNotice, match=r"GunPoint is read from .*, not as it comes with sk"):
        assert load_dataset("GunPoint", data_dir=tmp_path).source == "data-dir"
    assert [one.source for one in list_datasets(tmp_path) if one.name == "GunPoint"] == ["data-dir"]
    write_set(tmp_path, "Mine")
    header = "@timeStamps false\n@univariate true\n@classLabel true a b\n@data\n"
    for part in ("TRAIN", "TEST"):
        (tmp_path / "Mine" / f"Mine_{part}.ts").write_text(header + "1,2:a\n3,4:b\n")
    assert fetch_dataset("Mine", data_dir=tmp_path).formats == (".ts", ".tsv")
    assert list(load_dataset("Mine", data_dir=tmp_path).sha256) == ["Mine_TRAIN.ts", "Mine_TEST.ts"]


def test_half_a_set_is_named(tmp_path: Path) -> None:
    write_set(tmp_path / "group", "Mine")
    (tmp_path / "group" / "Mine" / "Mine_TEST.tsv").unlink()
    with pytest.raises(DatasetError, match=r"holds Mine_TRAIN.tsv but not Mine_TEST.tsv"):
        load_dataset("Mine", data_dir=tmp_path)
    assert "Mine" not in [entry.name for entry in list_datasets(tmp_path)]


def test_a_data_dir_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match=r"absent is not a folder; correct data_dir"):
        load_dataset("GunPoint", data_dir=tmp_path / "absent")
    monkeypatch.setenv("TSPROMPT_DATA_DIR", str(tmp_path / "absent"))
    with pytest.raises(DatasetError, match=r"absent is not a folder; correct TSPROMPT_DATA_DIR"):
        list_datasets()


@pytest.mark.parametrize(
    ("name", "near"),
    [("gunpoint", "GunPoint"), ("Beaf", "Beef"), ("Myne", "Mine"), ("../Mine", "Mine")],
)
def test_unknown_name_suggests_near_ones(tmp_path: Path, name: str, near: str) -> None:
    write_set(tmp_path, "Mine")
    with pytest.raises(DatasetError, match=rf"{name}.*data_dir.*did you mean.*\b{near}\b"):
        load_dataset(name, data_dir=tmp_path / ".")


def test_archive_names_are_those_of_both_archives() -> None:
    assert {"GunPoint", "Beef", "BasicMotions", "PEMS-SF"} < set(archive_names())
    assert len(archive_names()) > 150


# Checking


def test_labels_that_train_never_had_are_named(tmp_path: Path) -> None:
    write_set(tmp_path, "Mine", test="a\t1\t2\nc\t3\t4\nc\t3\t4\nd\t3\t4\n")
    with pytest.raises(DatasetError, match=r"Mine: .*'c' \(2 cases\), 'd' \(1 case\)"):
        load_dataset("Mine", data_dir=tmp_path)


def test_a_set_needs_labels(tmp_path: Path) -> None:
    write_set(tmp_path, "Mine", test="?\t1\t2\n")
    with pytest.raises(DatasetError, match=r"Mine_TEST.tsv: has no labels"):
        load_dataset("Mine", data_dir=tmp_path)


def test_train_and_test_must_have_the_same_features(tmp_path: Path) -> None:
    (tmp_path / "Mine").mkdir()
    header = "@timeStamps false\n@classLabel true a\n@data\n"
    (tmp_path / "Mine" / "Mine_TRAIN.ts").write_text(header + "1,2:3,4:a\n")
    (tmp_path / "Mine" / "Mine_TEST.ts").write_text(header + "1,2:a\n")
    with pytest.raises(DatasetError, match="train has 2 features, test has 1"):
        load_dataset("Mine", data_dir=tmp_path)


@pytest.mark.parametrize("row", manifest() or [None], ids=lambda row: row and row["name"])
def test_archive_sets_are_as_their_manifest_says(
    row: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if row is None:
        pytest.skip("the archives are not beside this checkout")
    # Bundled sets would be found first, and the .tsv files of the same sets left unread.
    (tmp_path / "datasets" / "data").mkdir(parents=True)
    monkeypatch.setattr("tsprompt_datasets.locate.sktime_folder", lambda: tmp_path / "datasets")
    info = dataset_info(row["name"], data_dir=ARCHIVES)
    hashes = [info.sha256[f"{row['name']}_{part}.{row['format']}"] for part in ("TRAIN", "TEST")]
    got = (info.n_train, info.n_test, info.length_max, info.length_min, info.n_features)
    assert got == tuple(
        int(row[key]) for key in ("n_train", "n_test", "length", "length_min", "channels")
    )
    assert (len(info.classes), info.missing) == (int(row["classes"]), int(row["missing"]))
    assert str(info.equal_length) == row["equal_length"]
    assert hashes == [row["sha256_train"], row["sha256_test"]]
    assert info.source == "data-dir"


@pytest.mark.parametrize("name", ["ArrowHead", "GunPoint", "ItalyPowerDemand", "OSULeaf"])
def test_tsv_and_ts_of_the_same_set_agree(name: str) -> None:
    path = ARCHIVES / "ucr" / name / f"{name}_TRAIN.tsv"
    if not path.is_file():
        pytest.skip("the archives are not beside this checkout")
    ours, bundled = load_file(path), load_dataset(name).train
    assert ours.labels is not None
    assert ours.labels.tolist() == bundled.labels.tolist()
    np.testing.assert_allclose(np.stack(list(ours.cases)), np.stack(list(bundled.cases)), rtol=1e-5)


# One file


def test_load_file_reads_every_format(tmp_path: Path) -> None:
    (tmp_path / "one.TSV").write_text("a\t1\t2\n")
    np.save(tmp_path / "two.npy", np.zeros((3, 4, 2)))
    assert load_file(tmp_path / "one.TSV").labels is not None
    assert load_file(str(tmp_path / "two.npy")).cases[0].shape == (4, 2)


def test_load_file_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"give one of: .ts, .tsv, .arff, .txt, .npy, each"):
        load_file(tmp_path / "one.csv")
    with pytest.raises(DatasetError, match=r"one.ts: no such file"):
        load_file(tmp_path / "one.ts")
    (tmp_path / "folder.ts").mkdir()
    with pytest.raises(DatasetError, match=r"folder.ts: can't be read"):
        load_file(tmp_path / "folder.ts")


# The cache


def same(one: SeriesFile, other: SeriesFile) -> bool:
    cases = len(one) == len(other) and all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(one.cases, other.cases, strict=True)
    )
    if one.labels is None or other.labels is None:
        return cases and one.labels is other.labels
    return cases and one.labels.tolist() == other.labels.tolist()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the .tsv files that were parsed, not taken from the cache."""
    parsed: list[str] = []
    reader = READERS[".tsv"]

    def read(name: str, data: bytes) -> SeriesFile:
        parsed.append(name)
        return reader(name, data)

    monkeypatch.setitem(READERS, ".tsv", read)
    return parsed


@pytest.mark.parametrize(
    "text", ["a\t1\t2\nb\t3\t4\n", "a\t1\tNaN\nb\tNaN\t4\n", "?\t1\t2\n", "ä\t1\tNaN\tNaN\n"]
)
def test_a_file_is_parsed_once(tmp_path: Path, counted: list[str], text: str) -> None:
    path = tmp_path / "one.tsv"
    path.write_text(text, encoding="utf-8")
    first = load_file(path)
    assert same(first, load_file(path))
    path.rename(tmp_path / "two.tsv")
    assert same(first, load_file(tmp_path / "two.tsv"))
    assert counted == ["one.tsv"]
    (tmp_path / "two.tsv").write_text("b" + text[1:], encoding="utf-8")
    load_file(tmp_path / "two.tsv")
    assert counted == ["one.tsv", "two.tsv"]


def test_the_ending_is_part_of_the_key(tmp_path: Path) -> None:
    (tmp_path / "one.tsv").write_text("a\t1\t2\n")
    load_file(tmp_path / "one.tsv")
    shutil.copy(tmp_path / "one.tsv", tmp_path / "one.ts")
    with pytest.raises(DatasetError, match="stands before @data"):
        load_file(tmp_path / "one.ts")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_damaged_entry_is_ignored_and_rewritten(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TSPROMPT_CACHE_DIR", str(folder / "cache"))
        path = folder / "one.tsv"
        path.write_text("a\t1\t2\nb\t3\tNaN\n")
        first = load_file(path)
        (entry,) = (folder / "cache").rglob("*.npz")
        whole = bytearray(entry.read_bytes())
        position = data.draw(st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            whole = whole[:position]
        else:
            whole[position] ^= data.draw(st.integers(1, 255))
        entry.write_bytes(whole)
        assert same(first, load_file(path))
        assert same(first, load_file(path))
        assert [one.suffix for one in entry.parent.iterdir()] == [".npz"]


def test_a_replaced_entry_is_good_again(
    tmp_path: Path, cache_dir: Path, counted: list[str]
) -> None:
    (tmp_path / "one.tsv").write_text("a\t1\t2\n")
    for _ in range(2):
        load_file(tmp_path / "one.tsv")
        (entry,) = cache_dir.rglob("*.npz")
        entry.write_bytes(b"PK damaged")
    load_file(tmp_path / "one.tsv")
    load_file(tmp_path / "one.tsv")
    assert len(counted) == 3


def test_an_entry_with_pickled_objects_is_not_opened(tmp_path: Path, cache_dir: Path) -> None:
    (tmp_path / "one.tsv").write_text("a\t1\t2\n")
    first = load_file(tmp_path / "one.tsv")
    (entry,) = cache_dir.rglob("*.npz")
    np.savez(entry, values=np.array([{}], dtype=object), lengths=np.array([1]))
    assert same(first, load_file(tmp_path / "one.tsv"))


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.tsv").write_text("a\t1\t2\n")
    cache_dir.write_text("a file where the folder should be")
    assert len(load_file(tmp_path / "one.tsv")) == 1
    cache_dir.unlink()

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert len(load_file(tmp_path / "one.tsv")) == 1
    assert not [one for one in cache_dir.rglob("*") if one.is_file()]


def test_cache_folder_is_the_platforms_unless_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TSPROMPT_CACHE_DIR")
    assert "tsprompt" in cache.cache_folder().parts


# Describing


def test_info_counts(tmp_path: Path) -> None:
    write_set(tmp_path, "Mine", "b\t1\t2\t3\na\t1\tNaN\t3\n", "a\t1\tNaN\tNaN\na\t1\t2\tNaN\n")
    info = dataset_info("Mine", data_dir=tmp_path)
    assert (info.n_train, info.n_test, info.n_features) == (2, 2, 1)
    assert (info.length_min, info.length_max, info.equal_length, info.missing) == (1, 3, False, 1)
    assert info.classes == ["b", "a"]
    assert info.train_counts == {"b": 1, "a": 1}
    assert info.test_counts == {"b": 0, "a": 2}
    assert json.loads(json.dumps(dataclasses.asdict(info)))["name"] == "Mine"


# Resampling


def numbered(train: list[str], test: list[str]) -> Dataset:
    """A set whose cases hold their own number, so that they can be followed."""
    cases = np.arange(len(train) + len(test), dtype=np.float32)[:, None, None]
    return Dataset(
        "Mine",
        Split(Cases(cases[: len(train)]), np.array(train)),
        Split(Cases(cases[len(train) :]), np.array(test)),
        "data-dir",
    )


labels = st.lists(st.sampled_from("abc"), max_size=12)


@settings(deadline=None)
@given(
    train=labels.map(lambda some: [*some, "a", "b", "c"]),
    test=labels.map(lambda some: [*some, "a"]),
    resample=st.integers(1, 2**32),
)
def test_resample_keeps_cases_sizes_and_class_counts(
    train: list[str], test: list[str], resample: int
) -> None:
    dataset = numbered(train, test)
    drawn = resample_dataset(dataset, resample)
    assert sorted(drawn.train.labels) == sorted(train)
    assert sorted(drawn.test.labels) == sorted(test)
    both = [(float(one[0, 0]), str(label)) for part in (drawn.train, drawn.test)
            for one, label in zip(part.cases, part.labels, strict=True)]  # fmt: skip
    assert sorted(both) == list(enumerate([*train, *test]))
    again = resample_dataset(dataset, resample)
    assert [float(one[0, 0]) for one in again.train.cases] == [n for n, _ in both[: len(train)]]


def test_resample_zero_is_the_default_split_and_others_differ() -> None:
    dataset = load_dataset("ItalyPowerDemand")
    assert resample_dataset(dataset, 0) is dataset
    first = resample_dataset(dataset, 1)
    second = resample_dataset(dataset, 2)
    assert not np.array_equal(np.stack(list(first.train.cases)), np.stack(list(second.train.cases)))
    assert (first.name, first.source, first.sha256) == (
        dataset.name, dataset.source, dataset.sha256)  # fmt: skip
    with pytest.raises(ConfigError, match="resample is -1"):
        resample_dataset(dataset, -1)


def test_resample_takes_unequal_lengths() -> None:
    dataset = load_dataset("JapaneseVowels")
    drawn = resample_dataset(dataset, 1)
    assert (len(drawn.train), len(drawn.test)) == (270, 370)
    assert not drawn.train.cases.equal_length
