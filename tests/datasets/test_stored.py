"""Sets as people have them: any case, compressed, in a .zip, in the files of 2015, unlabelled."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprompt.errors import DatasetError, TspromptNotice
from tsprompt_datasets import list_datasets, load_dataset, load_file
from tsprompt_datasets.stored import StoredFile

TSV = "1\t0.5\t2\n2\t3\t4\n"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSPROMPT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TSPROMPT_DATA_DIR", raising=False)


def write_zip(path: Path, *names: str, text: str = TSV) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one in names:
            archive.writestr(one, text)
    return path


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("", "1,0.5,2\n2,3,4\n"),
        ("", "  1.0000000e+00  5.0e-01   2.0e+00\n  2.0000000e+00\t3.0  4.0\n"),
        (".txt", "1 0.5 2\n2 3 4\n"),
        (".TXT", "1, 0.5, 2\n2, 3, 4\n"),
        (".tsv", TSV),
        (".TSV", TSV),
    ],
)
@pytest.mark.parametrize("part", [str.upper, str.lower, str.title])
def test_files_of_every_release_in_any_case(
    ending: str, text: str, part: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "Mine").mkdir()
    for one in ("train", "test"):
        (tmp_path / "Mine" / f"mine_{part(one)}{ending}").write_text(text)
    train = load_dataset("Mine", data_dir=tmp_path, download=False).train
    assert [float(label) for label in train.labels] == [1, 2]
    np.testing.assert_array_equal(np.stack(list(train.cases))[:, :, 0], [[0.5, 2], [3, 4]])
    assert [one.name for one in list_datasets(tmp_path) if one.source == "data-dir"] == ["Mine"]


@pytest.mark.parametrize("packed", PACKERS)
def test_packed_files_are_read_like_plain_ones(packed: str, tmp_path: Path) -> None:
    (tmp_path / "Mine").mkdir()
    for one in ("TRAIN", "TEST"):
        data = PACKERS[packed](TSV.encode())
        (tmp_path / "Mine" / f"Mine_{one}.tsv{packed}").write_bytes(data)
    dataset = load_dataset("Mine", data_dir=tmp_path)
    (tmp_path / "Mine_TRAIN.tsv").write_text(TSV)
    plain = load_file(tmp_path / "Mine_TRAIN.tsv")
    np.testing.assert_array_equal(np.stack(list(dataset.train.cases)), np.stack(list(plain.cases)))
    assert list(dataset.sha256) == [f"Mine_TRAIN.tsv{packed}", f"Mine_TEST.tsv{packed}"]


@pytest.mark.parametrize(
    "names",
    [
        ("Mine_TRAIN.tsv", "Mine_TEST.tsv"),
        ("Mine/mine_train.tsv", "Mine/mine_test.tsv", "Mine/README.md", "__MACOSX/._Mine_TEST.tsv"),
        ("../../Mine_TRAIN.tsv", "/Mine_TEST.tsv"),
    ],
)
def test_a_zip_holds_a_set_and_nothing_of_it_is_written(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "data" / "ucr").mkdir(parents=True)
    path = write_zip(tmp_path / "data" / "ucr" / "Mine.zip", *names)
    for dataset in (load_dataset(path), load_dataset("Mine", data_dir=tmp_path / "data")):
        assert (dataset.name.casefold(), len(dataset.train)) == ("mine", 2)
    assert "Mine" in [one.name for one in list_datasets(tmp_path / "data")]
    left = [one for one in tmp_path.rglob("*Mine*") if "cache" not in one.parts]
    assert left == [path]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.csv", "b.csv"), r"holds a.csv, b.csv, but not Mine_TRAIN and Mine_TEST"),
        ((), "holds nothing, but not"),
        (("A_TRAIN.ts", "A_TEST.ts", "B_TRAIN.ts", "B_TEST.ts"), "several sets: A, B"),
        (("\x1b[31m_TRAIN.ts",), r"holds \\x1b"),
    ],
)
def test_a_zip_without_one_set_says_what_it_holds(
    names: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset(write_zip(tmp_path / "Mine.zip", *names))
    assert "\x1b" not in str(caught.value)


def test_an_entry_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "Mine.zip", "zero", "Mine_TRAIN.tsv", "Mine_TEST.tsv")
    path.write_bytes(path.read_bytes().replace(b"zero", b"\0ero"))
    assert len(load_dataset(path).train) == 2


def test_a_bomb_is_refused_before_it_bursts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsprompt_datasets.stored._ROOM", 1 << 20)
    bomb = b"1\t" + b"0" * (8 << 20)
    for packed, pack in PACKERS.items():
        path = tmp_path / f"x_TEST.tsv{packed}"
        path.write_bytes(pack(bomb))
        with pytest.raises(DatasetError, match=rf"x_TEST.tsv{packed}: .*(unpack|limit)"):
            load_file(path)
    path = write_zip(tmp_path / "x.zip", "x_TRAIN.tsv", "x_TEST.tsv", text=bomb.decode())
    with pytest.raises(DatasetError, match="unpacks to more than 200 times"):
        load_dataset(path)


def test_a_zip_of_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsprompt_datasets.stored._MOST_MEMBERS", 2)
    with pytest.raises(DatasetError, match="holds 3 files"):
        load_dataset(write_zip(tmp_path / "x.zip", "a", "b", "c"))


@settings(deadline=None, max_examples=150)
@given(
    packed=st.sampled_from([*PACKERS, ".zip"]),
    data=st.data(),
)
def test_a_damaged_packed_file_is_read_or_refused(
    packed: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("packed")
    if packed == ".zip":
        path = write_zip(folder / "x.zip", "x_TRAIN.tsv", "x_TEST.tsv")
    else:
        path = folder / f"x_TRAIN.tsv{packed}"
        path.write_bytes(PACKERS[packed](TSV.encode()))
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole = whole[:at]
    else:
        whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    try:
        held = load_dataset(path).train if packed == ".zip" else load_file(path)
    except DatasetError:
        return
    assert len(held) == 2


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(
        st.lists(st.floats(allow_infinity=False, allow_nan=False), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    ),
    separator=st.sampled_from([",", ", ", " ", "  ", "\t"]),
)
def test_what_is_written_as_in_2015_is_read_back(
    values: list[list[float]], separator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("plain") / "x_TEST.txt"
    lines = [separator.join(["7", *map(repr, one)]) for one in values]
    path.write_text("\n".join(lines))
    held = load_file(path)
    assert held.labels is not None
    assert set(held.labels.tolist()) == {"7"}
    want = np.array(values, dtype=held.cases.dtype)
    np.testing.assert_array_equal(np.stack(list(held.cases))[:, :, 0], want)


def test_a_damaged_gz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x_TEST.tsv.gz"
    path.write_bytes(gzip.compress(TSV.encode())[:-9])
    with pytest.raises(DatasetError, match=r"x_TEST.tsv.gz: can't be unpacked"):
        load_file(path)
    assert StoredFile(path).suffix == ".tsv"


@pytest.mark.parametrize(
    ("text", "timesteps", "labels", "length"),
    [
        ("0.5\t1\t2\n0.7\t3\t4\n", 3, None, 3),
        ("1\t1\t2\n2\t3\t4\n", 3, None, 3),
        ("1\t1\t2\n2\t3\t4\n", 2, ["1", "2"], 2),
        ("a\t1\t2\nb\t3\t4\n", None, ["a", "b"], 2),
        ("1\t1\t2\n1\t3\t4\n2\t3\t4\n2\t3\t4\n", None, ["1", "1", "2", "2"], 2),
        ("?\t1\t2\n?\t3\t4\n", None, None, 2),
    ],
)
def test_an_unlabelled_tsv_keeps_its_first_value(
    text: str, timesteps: int | None, labels: list[str] | None, length: int, tmp_path: Path
) -> None:
    (tmp_path / "new.tsv").write_text(text)
    held = load_file(tmp_path / "new.tsv", timesteps=timesteps)
    assert (None if held.labels is None else held.labels.tolist()) == labels
    assert set(held.cases.lengths.tolist()) == {length}


@pytest.mark.parametrize("text", ["0.5\t1\t2\n0.7\t3\t4\n", "1\t1\t2\n2\t3\t4\n", "-1\t2\t3\n"])
@pytest.mark.parametrize("timesteps", [None, 7])
def test_a_first_column_that_could_be_either_is_an_error(
    text: str, timesteps: int | None, tmp_path: Path
) -> None:
    (tmp_path / "new.tsv").write_text(text)
    with pytest.raises(DatasetError, match=r'3 columns .* label="first" or label="none"'):
        load_file(tmp_path / "new.tsv", timesteps=timesteps)
    assert load_file(tmp_path / "new.tsv", label="none").cases.lengths[0] == 3
    assert load_file(tmp_path / "new.tsv", label="first").cases.lengths[0] == 2
    (tmp_path / "new.tsv").rename(tmp_path / "New_TEST.tsv")
    assert load_file(tmp_path / "New_TEST.tsv").cases.lengths[0] == 2


def test_a_folder_that_is_there_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "Mine").mkdir()
    (tmp_path / "Mine" / "data.csv").touch()
    with pytest.raises(DatasetError, match=r"Mine holds data.csv, but not Mine_TRAIN and Mine_TE"):
        load_dataset("Mine", data_dir=tmp_path)


def test_a_set_at_a_path_wins_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "GunPoint.zip", "GunPoint_TRAIN.tsv", "GunPoint_TEST.tsv")
    with pytest.warns(TspromptNotice, match=r"GunPoint is read from .*zip, not as it comes with"):
        assert len(load_dataset(path).train) == 2
    (tmp_path / "GunPoint").mkdir()
    for part in ("TRAIN", "TEST"):
        (tmp_path / "GunPoint" / f"GunPoint_{part}.tsv").write_text(TSV)
    monkeypatch.chdir(tmp_path)
    with pytest.warns(TspromptNotice, match="not as it comes with sktime"):
        assert load_dataset("GunPoint").source == "file"


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".zip", "a\0b", "\ud800", "a" * 5000])
def test_names_that_no_folder_can_have_are_unknown(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no data set is called"):
        load_dataset(name, data_dir=tmp_path)
