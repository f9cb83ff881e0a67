"""Published results beside our own: which sets, which splits, which columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tsprompt.benchmark import Record
from tsprompt.errors import ConfigError
from tsprompt.report import Results, make_report
from tsprompt.report.published import published_columns, published_results
from tsprompt_datasets import expand_names

Make = Callable[..., Record]
FOLDER = Path(__file__).parents[2] / "tsprompt" / "report" / "published"


def published(name: str, dataset: str, column: str) -> float:
    return float(pd.read_csv(FOLDER / f"{name}.csv", index_col="dataset").loc[dataset, column])


def accuracy(records: list[Record], dataset: str, column: str) -> float | None:
    [found] = [
        one.accuracy
        for one in records
        if (one.dataset, one.method) == (dataset, f"{column} (published)")
    ]
    return found


@pytest.mark.parametrize("group", ["ucr112", "uea26"])
def test_a_group_of_sets_is_those_with_published_results(group: str) -> None:
    for split in ("default_split", "mean30resamples"):
        named = pd.read_csv(FOLDER / f"{group}_{split}.csv")["dataset"]
        assert expand_names([group]) == list(named)


def test_the_split_is_that_of_our_runs(make_record: Make) -> None:
    records = [
        make_record("Adiac", "x", 0.8, seed=1),
        make_record("Beef", "x", 0.8),
        make_record("Beef", "x", 0.8, resample=1),
    ]
    found = published_results(records, ["rocket"])
    assert (found.default_split, found.resampled) == (["Adiac"], ["Beef"])
    assert accuracy(found.records, "Adiac", "ROCKET") == published(
        "ucr112_default_split", "Adiac", "ROCKET"
    )
    assert accuracy(found.records, "Beef", "ROCKET") == published(
        "ucr112_mean30resamples", "Beef", "ROCKET"
    )


def test_a_handful_is_chosen_that_all_archives_have(make_record: Make) -> None:
    one = [make_record("Adiac", "x", 0.8)]
    assert {"ROCKET", "MR-Hydra", "HC2"} <= set(published_results(one).columns)
    other = [make_record("BasicMotions", "x", 0.8)]
    assert {"1NN-DTW-D", "ROCKET", "HC2"} <= set(published_results(other).columns)
    assert published_results([*one, *other]).columns == [
        *("1NN-DTW", "ROCKET", "MR-Hydra", "DrCIF", "HC2")
    ]
    uea = make_record("FaceDetection", "x", 0.8)  # which the Multiverse leaves out
    assert published_results([*one, uea]).columns == ["ROCKET", "DrCIF", "HC2"]


def test_the_multiverse_fills_what_the_bake_off_leaves_out(make_record: Make) -> None:
    assert len(expand_names(["multiverse"])) == 71
    named = pd.read_csv(FOLDER / "multiverse_default_split.csv")["dataset"]
    assert expand_names(["multiverse"]) == list(named)
    both = published_results([make_record("ERing", "x", 0.8)], ["HC2", "QUANT"]).records
    assert accuracy(both, "ERing", "HC2") == published("uea26_default_split", "ERing", "HC2")
    assert accuracy(both, "ERing", "QUANT") == published(
        "multiverse_default_split", "ERing", "QUANT"
    )
    own = published_results([make_record("KERAAL-CTK", "x", 0.8)])
    assert {"ROCKET", "MR-Hydra", "HC2"} <= set(own.columns)
    with pytest.raises(ConfigError, match="no published results on any"):
        published_results([make_record("KERAAL-CTK", "x", 0.8, resample=1)])


def test_sets_without_a_result_are_left_out_and_named(make_record: Make) -> None:
    names = ["Adiac", "Beef", "Car", "PEMS-SF", "Mine"]
    records = [make_record(name, "x", 0.8, kind="model") for name in names]
    report = make_report(Results(Path(), records, []), against=["ROCKET", "InceptionTime"])
    assert report.complete == ["Adiac", "Beef", "Car"]
    told = " ".join(report.heading)
    assert "3 of 5 sets" in told
    assert "the archive's own split (3 sets)" in told
    assert "Not among them: Mine, PEMS-SF." in told
    assert report.methods == ["x", "ROCKET (published)", "InceptionTime (published)"]
    assert report.comparison is not None
    row = report.overall.set_index("method").loc["ROCKET (published)"]
    assert pd.isna(row["fit_seconds"])
    assert pd.isna(row["lm_tokens"])


def test_the_heading_tells_resamples_apart(make_record: Make) -> None:
    records = [make_record("Beef", "x", 0.8, resample=r) for r in range(3)]
    told = " ".join(make_report(Results(Path(), records, []), against=[]).heading)
    assert "resamples 0 to 2" in told
    assert "means over 30 resamples (1 set; our own are over the resamples that were run)" in told


def test_equal_to_six_decimals_is_a_tie(make_record: Make) -> None:
    adiac = published("ucr112_default_split", "Adiac", "ROCKET")
    records = [make_record("Adiac", "x", round(adiac * 391) / 391)]
    report = make_report(Results(Path(), records, []), against=["ROCKET"])
    assert report.overall["rank"].tolist() == [1.5, 1.5]


def test_what_is_not_published(make_record: Make) -> None:
    with pytest.raises(ConfigError, match="did you mean ROCKET"):
        published_results([make_record("Adiac", "x", 0.8)], ["Rockett"])
    with pytest.raises(ConfigError, match="on any of these sets"):
        published_results([make_record("Mine", "x", 0.8)])
    with pytest.raises(ConfigError, match="none of these sets"):
        published_results([make_record("PEMS-SF", "x", 0.8)], ["TapNet"])


def test_every_column_is_of_accuracies() -> None:
    assert len(published_columns()) > 30
    for file in FOLDER.glob("*.csv"):
        table = pd.read_csv(file, index_col="dataset")
        assert len(table) == {"ucr112": 112, "uea26": 26, "multiverse": 71}[file.name.split("_")[0]]
        assert ((table >= 0) & (table <= 1) | table.isna()).all(axis=None)


def test_they_come_with_their_licence() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "BSD 3-Clause" in text
    assert "tsml" in text
    assert "Redistributions in binary form" in text
