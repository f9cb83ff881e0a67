"""A table goes in, and the same arrays, names and labels come out, whatever its form."""

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsprompt.errors import DatasetError
from tsprompt_datasets import ReadOptions, read, read_cases
from tsprompt_datasets.own_data.columns import features_of

LABELS = ["walk fast", "01", "True", " x ", "NA", 'say "hi", then', "µ"]


@st.composite
def panels(draw: st.DrawFn, *, equal: bool = False) -> pd.DataFrame:
    """A random panel in long form: 4 to 8 cases of 1 to 3 features."""
    count, features = draw(st.integers(4, 8)), draw(st.integers(1, 3))
    steps = [draw(st.integers(2, 5)) for _ in range(count)]
    names = draw(st.permutations(LABELS))[:2]
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    rows: list[dict[str, Any]] = []
    for case, length in enumerate([steps[0]] * count if equal else steps):
        values = rng.normal(size=(length, features)) * 10.0 ** rng.integers(-9, 12)
        rows += [
            {
                "id": f"{case:03d}",
                "t": t,
                **dict(zip("abc", own, strict=False)),
                "label": names[case % 2],
            }
            for t, own in enumerate(values)
        ]
    return pd.DataFrame(rows)


def series_of(panel: pd.DataFrame) -> dict[str, np.ndarray]:
    names = [one for one in panel.columns if one in "abc"]
    return {str(case): own.sort_values("t")[names].to_numpy() for case, own in panel.groupby("id")}


def labels_of(panel: pd.DataFrame) -> dict[str, str]:
    return dict(panel.groupby("id").label.first())


def check(content: Any, panel: pd.DataFrame) -> None:
    series, labels = series_of(panel), labels_of(panel)
    assert set(content.cases.ids) == set(series)
    for case, name, label in zip(content.cases, content.cases.ids, content.labels, strict=True):
        np.testing.assert_array_equal(case, series[name])
        assert label == labels[name]
    assert content.cases.features == tuple(one for one in panel.columns if one in "abc")


@given(
    panels(), st.sampled_from([".csv", ".tsv", ".csv.gz", ".parquet", ".feather"]), st.booleans()
)
def test_long_tables_come_back(
    tmp_path_factory: pytest.TempPathFactory, panel: pd.DataFrame, ending: str, mixed: bool
) -> None:
    path = tmp_path_factory.mktemp("long") / f"panel{ending}"
    write(panel.sample(frac=1, random_state=0) if mixed else panel, path)
    check(read_cases(path), panel)
    check(read_cases(path), panel)  # from what was kept


def write(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".feather":
        table.reset_index(drop=True).to_feather(path)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


@given(panels(equal=True), st.sampled_from([".csv", ".tsv", ".parquet", ".feather"]))
def test_wide_tables_come_back(
    tmp_path_factory: pytest.TempPathFactory, panel: pd.DataFrame, ending: str
) -> None:
    names = [one for one in panel.columns if one in "abc"]
    wide = panel.pivot(index="id", columns="t", values=names)
    wide.columns = pd.Index([f"{name}_{step}" for name, step in wide.columns])
    wide.insert(1, "label", panel.groupby("id").label.first())
    path = write(wide.reset_index(), tmp_path_factory.mktemp("wide") / f"panel{ending}")
    content = read_cases(path)
    if len(names) == 1:  # one letter before a timestep's number
        assert content.cases.n_features == 1
        np.testing.assert_array_equal(
            np.stack(list(content.cases)),
            wide[[c for c in wide if c != "label"]].to_numpy()[:, :, None],
        )
    else:
        check(content, panel)


def small(**columns: Any) -> pd.DataFrame:
    """Eight cases of five timesteps."""
    rng, case = np.random.default_rng(0), np.repeat(np.arange(8), 5)
    return pd.DataFrame(
        {
            "id": [f"c{one}" for one in case],
            "time": np.tile(np.arange(5), 8),
            "x": rng.normal(size=40),
        }
        | {"label": np.array(["up", "down"])[case % 2]}
        | {name: own[case] if len(own) == 8 else own for name, own in columns.items()}
    )


def test_what_was_understood_is_said_in_two_lines(tmp_path: Path) -> None:
    from tsprompt_datasets import SplitOptions, read_own

    path = write(small(y=np.arange(40.0)), tmp_path / "long.csv")
    own = read_own(path, ReadOptions(), SplitOptions())
    assert own.understood == (
        "long: 8 cases by `id`, 2 features `x`, `y`, label `label`; time `time`, a step of 1",
        "test: 3 of 8 cases, drawn in proportion to the classes (a share of 0.3, seed 0)",
    )


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (np.array([1, 2] * 4), "i"),
        (np.array([True, False] * 4), "b"),
        (np.array([1.0, 2.0] * 4), "f"),
        (np.array(["01", "1"] * 4), "U"),
        (np.array([datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)] * 4), "M"),
    ],
)
def test_typed_files_keep_the_type_of_labels(tmp_path: Path, labels: Any, kind: str) -> None:
    path = write(small(label=labels), tmp_path / "typed.parquet")
    held = read_cases(path).labels
    assert held is not None
    assert held.dtype.kind == kind
    assert held.tolist() == labels.tolist()


def test_text_files_keep_the_spelling_of_labels_and_names(tmp_path: Path) -> None:
    spelt = np.array(["007", "7", " a b", "TRUE", "1.0", "1e3", "NA", "null"])
    path = write(small(label=spelt, id=np.array([f"00{i}" for i in range(8)])), tmp_path / "a.csv")
    content = read_cases(path)
    assert content.labels is not None
    assert content.labels.tolist() == spelt.tolist()
    assert content.cases.ids == tuple(f"00{i}" for i in range(8))


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    table = small()
    table.to_csv(tmp_path / "eu.csv", index=False, sep=";", decimal=",")
    held = read_cases(tmp_path / "eu.csv").cases
    np.testing.assert_array_equal(np.concatenate(list(held))[:, 0], table.x)


def test_columns_parted_by_blanks(tmp_path: Path) -> None:
    small().to_csv(tmp_path / "a.txt", index=False, sep=" ")
    assert read_cases(tmp_path / "a.txt").cases.features == ("x",)


def test_the_row_numbers_of_pandas_are_no_values(tmp_path: Path) -> None:
    small().to_csv(tmp_path / "a.csv")
    assert read_cases(tmp_path / "a.csv").cases.features == ("x",)


def test_missing_values_stay_and_padding_goes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("s,0,1,2,3\nup,1,,3,4\ndown,1,2,,\nup,1,2,3,\ndown,NA,?,1,2\n")
    held = read_cases(tmp_path / "a.csv")
    assert [len(one) for one in held.cases] == [4, 2, 3, 4]
    np.testing.assert_array_equal(held.cases[0][:, 0], [1, np.nan, 3, 4])
    np.testing.assert_array_equal(held.cases[3][:, 0], [np.nan, np.nan, 1, 2])


def test_a_table_without_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("up,1,2,3\ndown,3,2,1\nup,1,2,4\ndown,4,2,1\n")
    held = read_cases(tmp_path / "a.csv")  # `up` comes again: the first row is no header
    assert held.labels is not None
    assert held.labels.tolist() == ["up", "down", "up", "down"]
    (tmp_path / "b.csv").write_text("1,0.5,2,3\n2,3,2,1\n1,1,2,4\n2,4,2,1\n")
    held = read_cases(tmp_path / "b.csv", ReadOptions(header=False, label="1"))
    assert held.labels is not None
    assert held.labels.tolist() == ["1", "2", "1", "2"]
    assert held.cases[0][:, 0].tolist() == [0.5, 2, 3]


def test_lists_in_the_columns_of_parquet(tmp_path: Path) -> None:
    table = pd.DataFrame({"u": [[1.0, 2], [3.0], [5.0, 6]], "v": [[7.0, 8], [9.0], [1.0, 2]]})
    table.assign(label=["a", "b", "a"]).to_parquet(tmp_path / "lists.parquet")
    held = read_cases(tmp_path / "lists.parquet")
    assert held.cases.features == ("u", "v")
    assert held.cases[0].tolist() == [[1, 7], [2, 8]]
    assert held.cases[1].tolist() == [[3, 9]]


@pytest.mark.parametrize(
    ("names", "features"),
    [
        (("t0", "t1"), ["value"]),
        (("0", "1", "2"), ["value"]),
        (("ax_0", "ax_1", "ay_0", "ay_1"), ["ax", "ay"]),
        (("ax0", "ay0", "ax1", "ay1"), ["ax", "ay"]),
        (("ax_0", "ax_1", "ay_0"), ["value"]),
        (("first", "second"), ["value"]),
        (("heart rate 1", "heart rate 2"), ["heart rate"]),
    ],
)
def test_columns_become_features(names: tuple[str, ...], features: list[str]) -> None:
    assert list(features_of(names)) == features


def test_wide_columns_are_put_in_the_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ax_1,ax_0,ay_0,ay_1,label\n2,1,3,4,u\n6,5,7,8,v\n")
    held = read_cases(tmp_path / "a.csv").cases
    assert held[0].tolist() == [[1, 3], [2, 4]]
    assert held.features == ("ax", "ay")


def test_an_odd_cell_deep_in_a_long_file_is_named(tmp_path: Path) -> None:
    table = pd.concat([small()] * 300, ignore_index=True)
    table["id"] = [f"c{i // 5}" for i in range(len(table))]
    table["x"] = table.x.astype(object)
    table.loc[11000, "x"] = "oops"
    path = write(table, tmp_path / "a.csv")
    with pytest.raises(Exception, match=r"a.csv, line 11002: column `x` holds 'oops'"):
        read(path)


@pytest.mark.parametrize(("ending", "sign"), [(".tsv", "\t"), (".txt", " ")])
@pytest.mark.parametrize("labels", [("1", "2"), ("up", "down")])
def test_a_first_row_of_steps_is_a_header_only_where_that_is_said(
    tmp_path: Path, ending: str, sign: str, labels: tuple[str, str]
) -> None:
    path = tmp_path / f"a{ending}"
    rows = [["lab", *map(str, range(6))]]
    rows += [[labels[i % 2], *(f"{i}.{j}" for j in range(6))] for i in range(8)]
    path.write_text("".join(sign.join(row) + "\n" for row in rows))
    with pytest.raises(
        DatasetError, match=r"names of columns or a case.*header=True.*header=False"
    ):
        read_cases(path)
    named = read_cases(path, ReadOptions(header=True, label="lab"))
    assert (len(named.cases), set(named.labels.tolist())) == (8, set(labels))
    plain = read_cases(path, ReadOptions(header=False))
    assert (len(plain.cases), plain.labels[0]) == (9, "lab")
    path.write_text("".join(sign.join(row) + "\n" for row in rows[1:]))
    assert len(read_cases(path).cases) == 8


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_row_numbers_of_pandas_are_left_out_of_new_cases_too(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({f"t{i}": np.arange(6) / (i + 3) for i in range(4)}).iloc[[0, 2, 3, 5]]
    path = tmp_path / f"a{ending}"
    frame.to_csv(path) if ending == ".csv" else frame.to_parquet(path)
    like = {"layout": "wide", "values": list(frame.columns)}
    held = read_cases(path, like=like)
    assert held.cases[1][:, 0].tolist() == frame.iloc[1].tolist()
    name = "(no name)" if ending == ".csv" else "__index_level_0__"
    assert f"left out `{name}`" in held.understood[0]
    frame.assign(extra=0.5).to_csv(tmp_path / "b.csv")
    with pytest.raises(DatasetError, match="has `extra`, which train has not"):
        read_cases(tmp_path / "b.csv", like=like)


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
def test_compressed_standard_input_is_unpacked(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"t0,t1,label\n0.5,1,u\n1.5,2,d\n"
    stdin = io.TextIOWrapper(io.BytesIO(module.compress(text)))
    monkeypatch.setattr("sys.stdin", stdin)
    held = read_cases("-")
    assert held.cases[1][:, 0].tolist() == [1.5, 2.0]


def test_what_is_no_text_in_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"PAR1" + bytes(40))))
    with pytest.raises(DatasetError, match=r"standard input: .* Parquet .*give the path of a file"):
        read_cases("-")
