"""Every mistake in a file ends in an error that names the file, the row or column, and a remedy."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tsprompt.errors import ConfigError, DatasetError
from tsprompt_datasets import ReadOptions, SplitOptions, archive_names, read_own

LONG = "id,time,x,label\n" + "".join(
    f"{case},{t},{case * 0.5 + t},{'ud'[case % 2]}\n" for case in range(6) for t in range(3)
)
WIDE = "label,t0,t1,t2\nu,1.5,2,3\nd,3,2,1\nu,1,2,4\nd,4,2,1\nu,0,1,1\nd,3,1,1\n"


def lines(text: str, **changes: str) -> str:
    """The text with lines replaced: `line7="..."`."""
    held = text.splitlines()
    for name, line in changes.items():
        held[int(name.removeprefix("line")) - 1] = line
    return "\n".join(held) + "\n"


MISTAKES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "absent column": (
        "a.csv",
        LONG,
        {"label": "lable"},
        r"'lable' \(label\); did you mean label",
    ),
    "absent values": ("a.csv", LONG, {"values": ("y",)}, r"no column is called 'y' \(values\)"),
    "two labels": ("a.csv", WIDE.replace("t0", "class"), {}, "`label`, `class`: which of them is"),
    "two ids": ("a.csv", LONG.replace("x", "case", 1), {}, "`id`, `case`: which of them names"),
    "label all different": (
        "a.csv",
        "label,t0,t1\n" + "".join(f"c{i},{i},{i + 1}\n" for i in range(9)),
        {},
        "each case has a label of its own",
    ),
    "one class": ("a.csv", WIDE.replace("d,", "u,"), {}, "all cases have the label 'u'"),
    "continuous label": (
        "a.parquet",
        "label,t0,t1\n0.5,1,2\n0.7,2,3\n0.5,1,4\n",
        {},
        "labels are numbers such as 0.5",
    ),
    "two rows at one time": (
        "a.csv",
        lines(LONG, line4="0,1,5,u"),
        {},
        r"a.csv, line 4: case '0' has two rows at the same time \(`time`\), the other is line 3",
    ),
    "two labels of a case": (
        "a.csv",
        lines(LONG, line4="0,2,5,d"),
        {},
        r"a.csv, line 4: case '0' has two labels in `label`: 'u' and 'd'",
    ),
    "empty label": (
        "a.csv",
        lines(WIDE, line3=",1,2,3"),
        {},
        "a.csv, line 3: the label `label` is empty",
    ),
    "empty id": ("a.csv", lines(LONG, line5=",0,1,u"), {}, "a.csv, line 5: the id `id` is empty"),
    "empty time": (
        "a.csv",
        lines(LONG, line5="1,,1,d"),
        {},
        "a.csv, line 5: the time `time` is empty",
    ),
    "text among numbers": (
        "a.csv",
        lines(LONG, line7="1,2,1O,d"),
        {},
        "a.csv, line 7: column `x` holds '1O' where numbers stand",
    ),
    "an infinite value": (
        "a.csv",
        lines(LONG, line7="1,2,1e999,d"),
        {},
        "a.csv, line 7: .*infinite",
    ),
    "infinite in wide form": ("a.csv", lines(WIDE, line3="d,inf,1,2"), {}, "line 3: .*infinite"),
    "a row too long": (
        "a.csv",
        lines(LONG, line7="1,2,1,d,9"),
        {},
        "line 7: 5 values where the table has 4",
    ),
    "a row too short": (
        "a.csv",
        lines(LONG, line7="1,2,1"),
        {},
        "line 7: 3 values where the table has 4",
    ),
    "an id that returns": (
        "a.csv",
        "id,x,label\n1,1,u\n1,2,u\n2,1,d\n2,2,d\n1,3,u\n",
        {},
        "a.csv, line 6: case '1' .* comes back after other cases",
    ),
    "uneven time": (
        "a.csv",
        lines(LONG, line4="0,5,1,u"),
        {},
        "a.csv, line 4: time `time` is not even",
    ),
    "no date": ("a.csv", LONG.replace("\n0,1,", "\n0,noon,"), {"time": "time"}, "line 3: .*'noon'"),
    "a header of numbers": (
        "a.csv",
        "1,2,3\n1,5,6\n2,5,6\n",
        {},
        "all numbers: names of columns, or a case",
    ),
    "a header or a case": (
        "a.csv",
        "u,2,1,5\nd,5,6,7\nw,5,6,7\n",
        {},
        "names of columns or a case",
    ),
    "label or value": (
        "a.csv",
        "a,b,c\n1,0.5,1.5\n1,1.5,0.5\n2,2.5,0.5\n2,0.25,3.5\n",
        {},
        '`a` could be the label or a value: give label="a", or label="none"',
    ),
    "a label by another name": (
        "a.csv",
        LONG.replace("x,label", "x,sort").replace(",u\n", ",3\n").replace(",d\n", ",4\n"),
        {},
        "`sort` is the same in all rows of each case",
    ),
    "no label": ("a.csv", "t0,t1\n0.5,1.5\n1.5,2.5\n", {}, "a.csv: has no labels"),
    "long or wide": ("a.csv", LONG.replace("id", "bottle"), {}, "could be long .* or wide"),
    "runs": (
        "a.csv",
        "bottle,x,y,label\n"
        + "".join(f"{i},{j},1,{'ud'[i % 2]}\n" for i in range(4) for j in range(5)),
        {},
        "cases named by `bottle`",
    ),
    "twice the same name": ("a.csv", WIDE.replace("t1", "t0"), {}, "two columns are called `t0`"),
    "an id twice in wide form": (
        "a.csv",
        "id,t0,t1,label\nc1,1,2,u\nc2,1,2,d\nc1,1,2,u\n",
        {"layout": "wide"},
        "line 4: the id 'c1' .* the other is line 2",
    ),
    "only names": ("a.csv", "id,x,label\n", {}, "no row"),
    "one column": ("a.csv", "x\n1\n2\n", {}, "has one column"),
    "empty": ("a.csv", "", {}, "a.csv is empty"),
    "blank": ("a.csv", "\n\n", {}, "has one column|is empty"),
    "commas in a .tsv": ("a.tsv", LONG, {}, "not parted by tabs"),
    "an ending": ("a.xlsx", "x", {}, "can't tell the format"),
    "no layout": ("a.csv", LONG, {"layout": "long", "id": "nam"}, "no column is called 'nam'"),
    "seconds without time": ("a.csv", WIDE, {"resample": "0.5s"}, "long form"),
    "a wide table with time": (
        "a.csv",
        WIDE,
        {"time": "t0", "layout": "wide"},
        "no column of times",
    ),
}


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    if path.suffix == ".parquet":
        pd.read_csv(path).to_parquet(path)
    return path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, mistake: str) -> None:
    name, text, options, said = MISTAKES[mistake]
    path = written(tmp_path, name, text)
    with pytest.raises((DatasetError, ConfigError), match=said) as caught:
        read_own(path, ReadOptions(**options), SplitOptions())
    assert len(str(caught.value)) < 600
    assert not any(one in str(caught.value) for one in archive_names()[:50])


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", b"PAR1" + b"\0" * 50, "is a Parquet file"),
        ("a.csv", b"\x1f\x8b" + b"\0" * 50, "compressed by gzip"),
        ("a.csv", b"PK\x03\x04" + b"\0" * 50, "a zip archive"),
        ("a.csv", "id,x\n1,2\n".encode("utf-16"), "UTF-16"),
        ("a.csv", b"id,time,x,l\n1,1,2,w\xe4\n1,2,2,w\xe4\n", "not UTF-8"),
        ("a.csv.gz", b"id,x\n1,2\n", "no .gz file"),
        ("a.csv.xz", b"id,x\n1,2\n", "no .xz file"),
        ("a.csv.bz2", b"id,x\n1,2\n", "no .bz2 file"),
        ("a.parquet", b"id,x\n1,2\n", "is no .parquet file"),
        ("a.parquet", b"PAR1" + b"x" * 60, "no Parquet file that can be read"),
        ("a.feather", b"ARROW1" + b"x" * 60, "no Feather file that can be read"),
        ("a.npz", b"id,x\n1,2\n", "no .npz file"),
        ("a.npz", b"PK\x03\x04" + b"x" * 60, "no .npz file"),
    ],
)
def test_a_file_of_another_format_than_its_ending(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=said):
        read_own(tmp_path / name, ReadOptions(), SplitOptions())


def test_a_file_that_unpacks_to_very_much(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.csv.gz", "wb") as file:
        for _ in range(300):
            file.write(b"0" * (1 << 20))
    with pytest.raises(DatasetError, match="unpacks to more than 200 times its size"):
        read_own(tmp_path / "a.csv.gz", ReadOptions(), SplitOptions())


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    written(tmp_path, "long.csv", LONG)
    with pytest.raises(DatasetError, match=r"no such file or folder; did you mean long.csv\?"):
        read_own(tmp_path / "lnog.csv", ReadOptions(), SplitOptions())


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (LONG.replace("x", "z", 1), "b.csv: no column is called 'x'"),
        (
            LONG.replace("x,label", "x,more,label").replace("u\n", "1,u\n").replace("d\n", "2,d\n"),
            "b.csv: has `more`, which train has not",
        ),
        (LONG.replace(",u\n", ",w\n"), "test has labels that train never had: 'w'"),
        (
            "".join(one.rpartition(",")[0] + "\n" for one in LONG.splitlines()),
            "test: has no labels",
        ),
    ],
)
def test_a_test_file_that_differs_from_train(tmp_path: Path, test: str, said: str) -> None:
    train = written(tmp_path, "a.csv", LONG)
    other = written(tmp_path, "b.csv", test)
    with pytest.raises(DatasetError, match=said):
        read_own(train, ReadOptions(), SplitOptions(test=str(other)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (lambda: SplitOptions(test_size=1.5), "is a share"),
        (lambda: SplitOptions(test_size=0.5, cv=3), "ways to the same end"),
        (lambda: SplitOptions(cv=1), "2 parts or more"),
        (lambda: ReadOptions(layout="tall"), "long or wide"),  # type: ignore[arg-type]
        (lambda: ReadOptions(resample="fast"), "resample is 'fast'"),
        (lambda: ReadOptions(resample="1"), "2 timesteps or more"),
        (lambda: ReadOptions(label="a", id="a"), "given two parts"),
    ],
)
def test_options_that_mean_nothing(options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        options()


def test_any_bytes_give_data_or_the_librarys_own_error(tmp_path: Path) -> None:
    rng, base = np.random.default_rng(0), LONG.encode()
    path = tmp_path / "a.csv"
    for _ in range(150):
        held = bytearray(base)
        for at in rng.integers(0, len(held), 3):
            held[at] = int(rng.choice([0, 34, 44, 10, 13, 255, 45, 59, 9, 65]))
        path.write_bytes(bytes(held))
        try:
            read_own(path, ReadOptions(), SplitOptions())
        except (DatasetError, ConfigError) as error:
            assert "a.csv" in str(error)  # noqa: PT017
