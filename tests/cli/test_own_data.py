"""A path is data: every command takes a file, names are kept, labels return as they came."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_fork_server")]


def run(*args: str, input: bytes | None = None) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, list(args), input=input)


def ok(*args: str, input: bytes | None = None) -> Result:
    result = run(*args, input=input)
    assert result.exit_code == 0, result.stderr
    return result


def refused(*args: str) -> str:
    result = run(*args)
    assert result.exit_code == 2, result.output
    [line] = [one for one in result.stderr.splitlines() if not one.startswith("Note:")]
    assert line.startswith("Error: ")
    return line


@pytest.fixture(scope="module")
def cheap(tiny_bert: str) -> list[str]:
    options = {"backbone": tiny_bert, "n-prompts": "1", "device": "cpu", "dtype": "float32"}
    return ["--no-ablations", "--tokenizer", "kernels:steps=4"] + [
        word for name, value in options.items() for word in (f"--{name}", value)
    ]


def panel(labels: Any, cases: int = 24, steps: int = 12) -> pd.DataFrame:
    """Two classes that differ in `ax`; `ay` is noise."""
    rng = np.random.default_rng(0)
    case, step = np.repeat(np.arange(cases), steps), np.tile(np.arange(steps), cases)
    slow = np.sin(step * np.array([0.3, 1.4])[case % 2])
    return pd.DataFrame(
        {
            "id": [f"r{one:03d}" for one in case],
            "time": step * 0.5,
            "ax": slow + rng.normal(size=len(case)) * 0.1,
            "ay": rng.normal(size=len(case)),
            "state": np.array(labels)[case % 2],
        }
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    panel(["walk", "run fast"]).to_csv(folder / "long.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def model(home: Path, cheap: list[str]) -> Path:
    folder = home / "model"
    result = ok("fit", str(home / "long.csv"), *cheap, "-o", str(folder))
    assert "long: 24 cases by `id`, 2 features `ax`, `ay`, label `state`" in result.stdout
    assert "test: 8 of 24 cases, drawn in proportion to the classes" in result.stdout
    return folder


def test_info_says_how_a_file_is_understood(home: Path) -> None:
    said = json.loads(ok("datasets", "info", str(home / "long.csv"), "--format", "json").stdout)
    assert said["name"] == "long.csv"
    assert said["n_features"] == 2
    assert len(said["read"]) == 2


def test_predictions_have_the_names_of_the_cases(model: Path, home: Path) -> None:
    result = ok("predict", str(model), str(home / "long.csv"))
    table = pd.read_csv(io.StringIO(result.stdout))
    assert table.columns.tolist()[:4] == ["case", "id", "label", "true label"]
    assert table.id.tolist() == [f"r{one:03d}" for one in range(24)]
    assert "Accuracy: 1.0000 of 24 cases" in result.stderr
    assert "the model was fitted on cases of long.csv" in result.stderr


def test_new_cases_need_no_label_and_come_through_a_pipe(model: Path, home: Path) -> None:
    table = panel(["walk", "run fast"]).drop(columns="state")[["ay", "time", "id", "ax"]]
    text = table.to_csv(index=False).encode()
    result = ok("predict", str(model), "-", input=text)
    found = pd.read_csv(io.StringIO(result.stdout))
    assert "true label" not in found
    assert found.label.tolist() == ["walk", "run fast"] * 12
    assert "Accuracy" not in result.stderr


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet", ".md"])
def test_the_ending_tells_the_format(model: Path, home: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out{ending}"
    ok("predict", str(model), str(home / "long.csv"), "-o", str(out))
    if ending == ".parquet":
        rows = pd.read_parquet(out).to_dict("records")
    elif ending == ".csv":
        rows = pd.read_csv(out).to_dict("records")
    elif ending == ".jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    elif ending == ".json":
        held = json.loads(out.read_text())
        assert held["accuracy"] == 1.0
        rows = held["rows"]
    else:
        assert out.read_text().count("\n") == 26
        return
    assert len(rows) == 24
    assert rows[1]["id"] == "r001"
    assert rows[1]["label"] == rows[1]["true label"] == "run fast"


def test_another_ending_is_refused_before_anything_runs(home: Path, tmp_path: Path) -> None:
    for name in ("out.xlsx", "out", "out.txt"):
        said = refused("predict", "no-model", "no-file.csv", "-o", str(tmp_path / name))
        assert "can't tell a format by the ending" in said
    assert not list(tmp_path.iterdir())


def test_a_file_is_scored_as_it_was_parted(model: Path, home: Path, tmp_path: Path) -> None:
    def cases(*args: str) -> tuple[int, float]:
        held = json.loads(ok("evaluate", str(model), *args, "--format", "json").stdout)
        return held["rows"][0]["cases"], held["rows"][0]["accuracy"]

    assert cases(str(home / "long.csv"))[0] == 8
    assert cases(str(home / "long.csv"), "--part", "train")[0] == 16
    panel(["walk", "run fast"], cases=10).to_parquet(tmp_path / "new.parquet")
    assert cases(str(tmp_path / "new.parquet")) == (10, 1.0)  # all of what it has not seen
    assert cases(str(tmp_path / "new.parquet"), "--test-size", "0.4")[0] == 4


def test_a_test_file_stays_one(tmp_path: Path, cheap: list[str]) -> None:
    def scored(path: str, *args: str) -> tuple[str, int]:
        held = json.loads(ok("evaluate", model, path, *args, "--format", "json").stdout)["rows"][0]
        return held["part"], held["cases"]

    model = str(tmp_path / "m")
    paths = [str(tmp_path / name) for name in ("a.csv", "b.csv", "c.csv")]
    for path, cases in zip(paths, (24, 10, 12), strict=True):
        table = panel(["u", "v"], cases).rename(columns={"ay": "y2"})
        table.assign(other=table.state).to_csv(path, index=False)
    train, test, new = paths
    result = ok("fit", train, "--test", test, "--label", "state", *cheap, "-o", model)
    proposed = f"predict{model}{test}"  # a long path is folded anywhere
    assert proposed in "".join(result.stdout.split())
    assert "fitted on cases" not in ok("predict", model, test).stderr
    assert scored(train) == scored(train, "--part", "train") == ("train", 24)
    assert "on which it was fitted" in ok("evaluate", model, train).stdout
    assert scored(test) == scored(test, "--part", "test") == ("test", 10)
    assert scored(new) == ("test", 12)
    assert "--part is test, but all cases of a.csv" in refused(
        "evaluate", model, train, "--part", "test"
    )
    assert "--part is train, but" in refused("evaluate", model, test, "--part", "train")
    # Two columns could be the label: the model remembers which.
    assert scored(train, "--test", test) == ("test", 10)
    assert scored(new, "--test-size", "0.5") == ("test", 6)


def test_train_is_no_test(home: Path, tmp_path: Path, cheap: list[str]) -> None:
    path = home / "long.csv"
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    for test in (path, copy):
        said = refused("fit", str(path), "--test", str(test), *cheap, "-o", str(tmp_path / "m"))
        assert "holds the very cases of train, long.csv" in said
    assert not (tmp_path / "m").exists()


def test_arrays_with_channels_first_are_said(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(12, 3, 40)), np.tile(["u", "v"], 6)
    for said, values in ((True, X), (False, X.transpose(0, 2, 1))):
        np.savez(tmp_path / "a.npz", X=values, y=y)
        result = ok("datasets", "info", str(tmp_path / "a.npz"))
        assert ("40 features of 3 timesteps" in result.stderr) is said
        assert ("save X.transpose(0, 2, 1)" in result.stderr) is said


def test_no_input_is_overwritten(tmp_path: Path) -> None:
    own, link = tmp_path / "own.csv", tmp_path / "link.csv"
    own.write_text("kept")
    link.symlink_to(own)
    header = tmp_path / "model" / "header.json"
    header.parent.mkdir()
    header.write_text("kept too")
    for out in (own, link, header):
        said = refused("predict", str(header.parent), str(own), "-o", str(out))
        assert "would be overwritten" in said
        assert "--output" in said
    assert (own.read_text(), header.read_text()) == ("kept", "kept too")


def test_a_model_of_other_data_is_not_replaced_in_silence(tmp_path: Path, cheap: list[str]) -> None:
    paths = [tmp_path / folder / "data.csv" for folder in "ab"]
    for cases, path in zip((24, 20), paths, strict=True):
        path.parent.mkdir()
        panel(["u", "v"], cases).to_csv(path, index=False)
    model = tmp_path / "m"

    def said(*args: str) -> str:
        return ok("fit", *args, *cheap, "-o", str(model)).stderr

    assert "replaces" not in said(str(paths[0])) + said(str(paths[0]))
    assert "replaces the model of another file" in said(str(paths[1]))


def test_files_of_train_and_test_are_told_by_name(tmp_path: Path, cheap: list[str]) -> None:
    model = str(tmp_path / "m")
    folder = tmp_path / "pair"
    folder.mkdir()
    panel(["u", "v"], 24).to_csv(folder / "train.csv", index=False)
    panel(["u", "v"], 10).to_csv(folder / "test.csv", index=False)
    ok("fit", str(folder), *cheap, "-o", model)
    for path, part, cases in (
        ("", "test", 10),
        ("train.csv", "train", 24),
        ("test.csv", "test", 10),
    ):
        result = ok("evaluate", model, str(folder / path), "--format", "json")
        [row] = json.loads(result.stdout)["rows"]
        assert (row["part"], row["cases"]) == (part, cases)


def test_columns_that_are_not_those_of_train(model: Path, tmp_path: Path) -> None:
    table = panel(["walk", "run fast"])
    table.drop(columns="ay").to_csv(tmp_path / "less.csv", index=False)
    assert "no column is called 'ay'" in refused("predict", str(model), str(tmp_path / "less.csv"))
    table.assign(az=1.5).to_csv(tmp_path / "more.csv", index=False)
    assert "has `az`, which train has not" in refused(
        "predict", str(model), str(tmp_path / "more.csv")
    )
    said = refused("evaluate", str(model), str(tmp_path / "absent.csv"))
    assert "no such file or folder" in said
    assert "GunPoint" not in said


def test_show_names_the_features(model: Path) -> None:
    assert "2 features: ax, ay" in ok("show", str(model)).stdout


@pytest.mark.parametrize(
    ("labels", "kind"), [([3, 11], int), ([True, False], bool), ([2.0, 3.0], float)]
)
def test_labels_return_with_their_type(
    labels: Any, kind: type, tmp_path: Path, cheap: list[str]
) -> None:
    path = tmp_path / "typed.parquet"
    panel(labels).to_parquet(path)
    ok("fit", str(path), "--label", "state", *cheap, "-o", str(tmp_path / "m"))
    rows = json.loads(ok("predict", str(tmp_path / "m"), str(path), "--format", "json").stdout)[
        "rows"
    ]
    assert type(rows[0]["label"]) is kind
    assert [row["label"] for row in rows] == labels * 12
    ok("predict", str(tmp_path / "m"), str(path), "-o", str(tmp_path / "out.parquet"))
    assert pd.read_parquet(tmp_path / "out.parquet").label.dtype.kind == np.array(labels).dtype.kind
    panel(labels).to_csv(tmp_path / "same.csv", index=False)  # the same numbers as text
    said = ok("predict", str(tmp_path / "m"), str(tmp_path / "same.csv"), "--label", "state")
    assert "Accuracy: 1.0000" in said.stderr


def test_leading_zeros_are_kept(tmp_path: Path, cheap: list[str]) -> None:
    panel(["007", "7"]).to_csv(tmp_path / "a.csv", index=False)
    ok("fit", str(tmp_path / "a.csv"), "--label", "state", *cheap, "-o", str(tmp_path / "m"))
    held = ok("predict", str(tmp_path / "m"), str(tmp_path / "a.csv")).stdout
    assert pd.read_csv(io.StringIO(held), dtype=str).label.tolist() == ["007", "7"] * 12


def test_a_cross_validation_gives_its_spread(home: Path, tmp_path: Path, cheap: list[str]) -> None:
    path = str(home / "long.csv")
    result = ok("fit", path, "--cv", "3", *cheap, "-o", str(tmp_path / "m"))
    assert "out of fold" in result.stdout
    assert "fold sd" in result.stdout
    held = json.loads(ok("evaluate", str(tmp_path / "m"), path, "--format", "json").stdout)["rows"][
        0
    ]
    assert held["cases"] == 24  # the model that is saved was fitted on all
    refuse = refused("fit", path, "--cv", "3", "--shots", "1", *cheap)
    assert "give one" in refuse


def test_unlabelled_lines_of_the_archives_form_lose_no_value(
    tmp_path: Path, cheap: list[str]
) -> None:
    wave = panel(["1", "2"]).ax.to_numpy().reshape(24, 12)
    labels = np.tile(["1", "2"], 12)
    lines = ["\t".join([label, *map(str, one)]) for label, one in zip(labels, wave, strict=True)]
    (tmp_path / "a_TRAIN.tsv").write_text("\n".join(lines) + "\n")
    bare = "\n".join(line.partition("\t")[2] for line in lines) + "\n"
    (tmp_path / "new.tsv").write_text(bare)
    ok("fit", str(tmp_path / "a_TRAIN.tsv"), *cheap, "-o", str(tmp_path / "m"))
    with_labels = ok("predict", str(tmp_path / "m"), str(tmp_path / "a_TRAIN.tsv"))
    without = ok("predict", str(tmp_path / "m"), str(tmp_path / "new.tsv"))
    assert "Accuracy" in with_labels.stderr
    assert "Accuracy" not in without.stderr
    chances = [
        pd.read_csv(io.StringIO(one.stdout))[["p(1)", "p(2)"]] for one in (with_labels, without)
    ]
    pd.testing.assert_frame_equal(*chances)


def test_options_for_files_mean_nothing_for_a_set(cheap: list[str]) -> None:
    said = refused("fit", "UnitTest", "--label", "x", *cheap)
    assert said.startswith("Error: --label is for files of one's own")


def test_what_can_be_read_in_two_ways_shows_the_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cheap: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("1,2,3\n1,5,6\n2,5,6\n")
    said = refused("fit", "a.csv", *cheap)
    assert "all numbers" in said
    assert "--no-header, and --label 1" in said
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]  # nothing is written


def test_compare_takes_files(home: Path, cheap: list[str]) -> None:
    result = ok(
        "compare",
        str(home / "long.csv"),
        *cheap,
        "--strategies",
        "shared",
        "--cv",
        "3",
        "--format",
        "json",
    )
    held = json.loads(result.stdout)
    assert {one["dataset"] for one in held["records"]} == {"long.csv"}
    assert sum(one["n_test"] for one in held["records"] if one["kind"] == "model") == 24


def test_bench_runs_files_in_processes_of_their_own(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    results = str(tmp_path / "results")
    asked = ["--methods", "ridge", "--cv", "3", "--results", results, "--jobs", "2"]
    ok("bench", "run", "long.csv", *asked)
    records = [json.loads(one.read_text()) for one in (tmp_path / "results/records").iterdir()]
    assert len(records) == 3
    assert {one["status"] for one in records} == {"ok"}
    assert {one["dataset"] for one in records} == {"long.csv"}
    assert sum(one["n_test"] for one in records) == 24
    assert set(records[0]["data_sha256"]) == {"long.csv"}
    again = ok("bench", "run", "long.csv", *asked)
    assert "3 of 3 runs are done already" in again.stderr
    assert "3 of 3 runs" in ok("bench", "run", "--results", results).stderr  # what it remembers


def test_another_content_or_split_makes_other_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt.benchmark import Machine, cell_name, named_methods, plan_cells
    from tsprompt_datasets import ReadOptions, SplitOptions, file_set

    def name(**parting: Any) -> str:
        held = file_set(str(tmp_path / "a b.csv"), ReadOptions(), SplitOptions(**parting))
        [cell] = plan_cells([held], named_methods(["ridge"]))
        return cell_name(cell, Machine())

    panel(["u", "v"]).to_csv(tmp_path / "a b.csv", index=False)
    first = name()
    assert first == name()
    assert "/" not in first
    assert name(test_size=0.5) != first
    panel(["u", "w"]).to_csv(tmp_path / "a b.csv", index=False)
    assert name() != first


def test_a_plan_takes_paths(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(home / "long.csv")
    Path("plan.toml").write_text(
        f'sets = ["UnitTest", {{ path = "{path}", name = "../mine", label = "state", cv = 2 }}]\n'
        'resamples = 2\nmethods = ["ridge"]\n'
    )
    ok("bench", "run", "plan.toml", "--jobs", "1")
    records = [json.loads(one.read_text()) for one in Path("results/records").iterdir()]
    assert {one["dataset"] for one in records} == {"UnitTest", "%2E.%2Fmine"}
    assert all(one["status"] == "ok" for one in records)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["plan.toml", "results"]
    for wrong, said in (
        ('{ path = "no.csv" }', "no such file"),
        ('{ path = "no.csv", lable = "x" }', "did you mean label"),
        ('{ label = "x" }', "needs a path"),
        ("{ path = 3 }", "path of a file is a text"),
    ):
        Path("plan.toml").write_text(f'sets = [{wrong}]\nmethods = ["ridge"]\n')
        assert said in refused("bench", "run", "plan.toml")


def test_new_cases_are_brought_to_the_models_steps(tmp_path: Path, cheap: list[str]) -> None:
    path = tmp_path / "uneven.csv"
    panel(["u", "v"]).drop(index=[3, 40]).to_csv(path, index=False)
    assert "such as --resample 100" in refused("fit", str(path), *cheap)
    ok("fit", str(path), "--resample", "30", *cheap, "-o", str(tmp_path / "m"))
    assert "Accuracy: 1.0000" in ok("predict", str(tmp_path / "m"), str(path)).stderr
    held = json.loads(ok("evaluate", str(tmp_path / "m"), str(path), "--format", "json").stdout)
    assert held["rows"][0]["cases"] == 8


def test_a_zip_of_the_archives_is_a_path_too(model: Path, tmp_path: Path, cheap: list[str]) -> None:
    wave = panel(["1", "2"]).ax.to_numpy().reshape(24, 12).round(4)
    lines = ["\t".join(["12"[i % 2], *map(str, one)]) for i, one in enumerate(wave)]
    with zipfile.ZipFile(tmp_path / "Waves.zip", "w") as file:
        for part in ("TRAIN", "TEST"):
            file.writestr(f"Waves_{part}.tsv", "\n".join(lines) + "\n")
    out = ok("fit", str(tmp_path / "Waves.zip"), *cheap, "-o", str(tmp_path / "m")).stdout
    assert "24 train and 24 test cases" in out
    said = ok("predict", str(tmp_path / "m"), str(tmp_path / "Waves.zip")).stderr
    assert "of 24 cases with labels" in said
    assert "train and test apart" in refused("fit", str(tmp_path / "Waves.zip"), "--cv", "3")
