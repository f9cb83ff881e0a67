"""`predict --coverage` and `embed`: sets with a promise, and features for other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.slow


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, list(args))


def ok(*args: str) -> Result:
    result = run(*args)
    assert result.exit_code == 0, result.stderr
    return result


def refused(*args: str) -> str:
    result = run(*args)
    assert result.exit_code == 2, result.output
    return result.stderr


def cases(seed: int, labels: tuple[str, ...] = ("a|b", "=c"), count: int = 30) -> pd.DataFrame:
    """Two classes whose names must be told apart from marks of a format."""
    rng = np.random.default_rng(seed)
    kind = np.arange(count) % 2
    series = np.sin(np.arange(12) * np.array([0.3, 1.4])[kind][:, None])
    frame = pd.DataFrame(series + rng.normal(size=series.shape) * 0.3)
    frame.columns = [f"t{i}" for i in range(12)]
    return frame.assign(label=np.array(labels)[kind])


@pytest.fixture(scope="module")
def home(tiny_bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and tables of cases."""
    home = tmp_path_factory.mktemp("sets")
    for name, seed in (("train", 0), ("new", 1), ("more", 2), ("test", 5)):
        cases(seed).to_csv(home / f"{name}.csv", index=False)
    cases(3).drop(columns="label").to_csv(home / "bare.csv", index=False)
    train, model = str(home / "train.csv"), str(home / "model")
    small = ["--backbone", tiny_bert, "--n-prompts", "1", "--tokenizer", "kernels:steps=4"]
    ok("fit", train, "--test", str(home / "test.csv"), "--no-ablations", "-o", model, *small)
    return home


def predicted(home: Path, *more: str, form: str = "json", data: str = "new.csv") -> Any:
    args = ["predict", str(home / "model"), str(home / data), "--format", form, *more]
    return ok(*args)


def test_each_case_gets_a_set_its_size_and_a_mark(home: Path) -> None:
    said = predicted(home, "--coverage", "0.9")
    told = json.loads(said.stdout)
    assert told["coverage asked"] == 0.9
    held = [row["true label"] in row["set"] for row in told["rows"]]
    assert told["coverage"] == pytest.approx(np.mean(held))
    for row in told["rows"]:
        assert row["set size"] == len(row["set"])
        assert row["unlike train"] == (row["set size"] in (0, 2))
    assert f"Coverage: {np.mean(held):.4f}" in said.stderr


def test_names_in_a_set_are_told_apart_in_every_form(home: Path, tmp_path: Path) -> None:
    lists = [row["set"] for row in json.loads(predicted(home, "--coverage", "0.96").stdout)["rows"]]
    predicted(home, "--coverage", "0.96", "-o", str(tmp_path / "o.csv"), form="csv")
    texts = pd.read_csv(tmp_path / "o.csv", keep_default_na=False)["set"]
    spelled = ["|".join(name.replace("|", r"\|") for name in one) for one in lists]
    assert [text.removeprefix("'") for text in texts] == spelled
    ok(*["predict", str(home / "model"), str(home / "new.csv"), "--coverage", "0.96"],
       *["-o", str(tmp_path / "o.parquet")])  # fmt: skip
    assert [list(one) for one in pd.read_parquet(tmp_path / "o.parquet")["set"]] == lists
    table = predicted(home, "--coverage", "0.96", form="table").stdout
    assert "set size" not in table
    assert ("unlike train" in table) == any(len(one) != 1 for one in lists[:20])


def test_other_cases_calibrate(home: Path) -> None:
    more = ["--calibrate-on", str(home / "more.csv"), "--coverage-by", "class"]
    told = json.loads(predicted(home, "--coverage", "0.8", *more).stdout)
    assert told["coverage by"] == "class"
    bare = json.loads(predicted(home, "--coverage", "0.8", data="bare.csv").stdout)
    assert "coverage" not in bare
    assert "set" in bare["rows"][0]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--coverage", "1"], "lies between 0 and 1"),
        (["--coverage", "nan"], "lies between 0 and 1"),
        (["--coverage", "0.99"], "needs 99 cases to calibrate with, and there are 30"),
        (["--calibrate-on", "more.csv"], "is of use with --coverage 0.9 alone"),
        (["--coverage", "0.9", "--calibrate-on", "train.csv"], "fitted on cases of train.csv"),
        (["--coverage", "0.9", "--calibrate-on", "bare.csv"], "has no labels"),
        (["--coverage", "0.9", "--calibrate-on", "odd.csv"], "the class 'odd', which train lacked"),
    ],
)
def test_what_can_not_be_promised_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], said: str
) -> None:
    monkeypatch.chdir(home)
    cases(4, ("a|b", "odd")).to_csv("odd.csv", index=False)
    assert said in refused("predict", "model", "new.csv", *args)


def test_features_are_written_with_what_tells_the_cases(home: Path, tmp_path: Path) -> None:
    from tsprompt import PromptClassifier
    from tsprompt_cli.commands import embed

    model, data = str(home / "model"), str(home / "new.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "_CHUNK", 8)  # the last part is a shorter one
        ok("embed", model, data, "-o", str(tmp_path / "f.parquet"))
    assert "30 cases of" in ok("embed", model, data, "-o", str(tmp_path / "f.npz")).stderr
    frame = pd.read_parquet(tmp_path / "f.parquet")
    with np.load(tmp_path / "f.npz") as read:
        arrays = dict(read)
    new = cases(1)
    expected = PromptClassifier.load(model, device="cpu").transform(
        new.drop(columns="label").to_numpy(np.float32)
    )
    assert np.allclose(np.stack(frame["features"]), expected, atol=1e-5)
    assert np.allclose(arrays["features"], expected, atol=1e-5)
    assert frame["label"].tolist() == arrays["label"].tolist() == new["label"].tolist()
    ok("embed", model, str(home / "bare.csv"), "-o", str(tmp_path / "b.parquet"))
    assert "label" not in pd.read_parquet(tmp_path / "b.parquet")
    assert ".parquet or .npz" in refused("embed", model, data, "-o", str(tmp_path / "f.csv"))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["b.parquet", "f.npz", "f.parquet"]
