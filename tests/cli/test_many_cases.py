"""`predict --out`: what blocks say is what the whole file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

pytestmark = pytest.mark.slow


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, list(args))


def refused(*args: str) -> str:
    result = run(*args)
    assert result.exit_code == 2, result.output
    return result.stderr.splitlines()[-1]


def frame(count: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    number = np.arange(count) % 2
    waves = np.sin(np.outer(1 + 2 * number, np.linspace(0, 3, 12)))
    made = pd.DataFrame(
        waves + rng.normal(0, 0.3, waves.shape), columns=[f"t{i}" for i in range(12)]
    )
    return made.assign(name=[f"n{seed}-{i}" for i in range(count)], state=number + 1)


@pytest.fixture(scope="module")
def home(tiny_bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("many")
    frame(24, 0).to_parquet(home / "train.parquet")
    (home / "new").mkdir()
    for number, count in enumerate((17, 30), start=1):
        frame(count, number).to_parquet(home / "new" / f"f{number}.parquet", row_group_size=10)
    cheap = ["--backbone", tiny_bert, "--n-prompts", "1", "--device", "cpu", "--dtype", "float32"]
    read = ["--label", "state", "--id", "name"]
    made = [
        "--tokenizer",
        "kernels:steps=4",
        "--no-ablations",
        "--no-twin",
        "-o",
        str(home / "model"),
    ]
    done = run("fit", str(home / "train.parquet"), *read, *cheap, *made)
    assert done.exit_code == 0, done.stderr
    return home


def test_features_of_a_fit_go_to_the_folder_that_is_named(
    home: Path, tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsprompt.model.memory.STORED_BYTES", 0)
    monkeypatch.setenv("TSPROMPT_SCRATCH_DIR", "elsewhere")  # put back at the end
    cheap = ["--backbone", tiny_bert, "--tokenizer", "kernels:steps=4", "--no-ablations"]
    asked = ["fit", str(home / "train.parquet"), "--label", "state", "--id", "name", *cheap]
    absent = str(tmp_path / "absent")
    assert f"can't be written to {absent}" in refused(*asked, "--scratch-dir", absent)
    done = run(*asked, "--scratch-dir", str(tmp_path), "--no-twin", "-o", str(tmp_path / "model"))
    assert done.exit_code == 0, done.stderr
    assert f"they go to a scratch file in {tmp_path}" in " ".join(done.stderr.split())
    assert [one.name for one in tmp_path.iterdir()] == ["model"]
    assert "features in a scratch file, GiB" in run("show", str(tmp_path / "model")).stdout


def test_blocks_say_what_the_whole_file_says(home: Path, tmp_path: Path) -> None:
    asked = ["predict", str(home / "model"), str(home / "new"), "--out", str(tmp_path / "out")]
    done = run(*asked, "--block-cases", "10")
    assert done.exit_code == 0, done.stderr
    assert "Done: 47 cases of 2 files in 5 blocks" in done.stderr
    assert "5 of 5 blocks: f2.parquet, 10 cases" in done.stderr
    found = pd.read_parquet(tmp_path / "out")
    for number in (1, 2):
        file = home / "new" / f"f{number}.parquet"
        plain = ["predict", str(home / "model"), str(file), "-o", str(tmp_path / "one.parquet")]
        assert run(*plain).exit_code == 0
        whole = pd.read_parquet(tmp_path / "one.parquet")
        own = found[found["file"] == file.name].reset_index(drop=True)
        pd.testing.assert_frame_equal(own[whole.columns], whole, atol=1e-6)
    right = (found["label"] == found["true label"]).mean()
    assert f"Accuracy: {right:.4f} of 47 cases with labels" in done.stderr
    again = run(*asked, "--block-cases", "10")
    assert "Found: 5 of 5 blocks are done already" in again.stderr
    assert "in 5 blocks, 5 of which were there" in again.stderr
    assert "blocks" in refused(*asked, "--block-cases", "7")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--out", "{out}", "-o", "x.csv"], "--out writes Parquet files"),
        (["--out", "{out}", "--coverage", "0.9"], "does not go with --coverage"),
        (["--backend", "ray"], "give one as --out"),
        (["--out", "{out}", "--jobs", "2"], "--jobs needs --backend"),
        (["--out", "{out}", "--address", "h:1"], "--address and --gpus need --backend"),
        (["--out", "{source}/out"], "inside it"),
        (["--out", "{out}", "--digest", "00"], "another model"),
        (["--out", "{out}", "--label", "t99"], "which train has not"),
    ],
)
def test_what_does_not_go_together_is_refused_and_leaves_nothing(
    more: list[str], why: str, home: Path, tmp_path: Path
) -> None:
    places = {"out": tmp_path / "out", "source": home / "new"}
    given = [one.format(**places) for one in more]
    assert why in refused("predict", str(home / "model"), str(home / "new"), *given)
    assert not (tmp_path / "out").exists()


@pytest.mark.extra("ray")
@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--backend", "ray", "--address", "127.0.0.1:9"], "no Ray cluster answers at 127.0.0.1:9"),
        (["--backend", "ray", "--head", "mlp"], "workers send sums; use --head ridge"),
        (["--backend", "ray", "--cv", "3"], "leave --backend out"),
        (["--block-cases", "9"], "--block-cases is for --backend"),
        (["--send-cases"], "--send-cases is for --backend"),
    ],
)
def test_a_fit_that_workers_can_not_make_is_refused(
    more: list[str], why: str, home: Path, tmp_path: Path, tiny_bert: str
) -> None:
    asked = ["fit", str(home / "train.parquet"), "--label", "state", "--id", "name"]
    made = ["--backbone", tiny_bert, "--no-ablations", "--no-twin", "-o", str(tmp_path / "model")]
    assert why in refused(*asked, *made, *more)
    assert not (tmp_path / "model").exists()
