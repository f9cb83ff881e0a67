"""A fit on workers that read their cases from the file of train."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import ok

from tsprompt import PromptClassifier
from tsprompt.base.backends import Local
from tsprompt.errors import DatasetError
from tsprompt.model import spread
from tsprompt.model.located import Located, located
from tsprompt.model.spread import Spread
from tsprompt_cli.own_data import Loaded
from tsprompt_cli.train_files import ParquetTrain
from tsprompt_datasets import ReadOptions, SplitOptions, read_own

pytestmark = pytest.mark.slow


def wide(count: int, steps: int = 12, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    number = np.arange(count) % 2
    waves = np.sin(np.outer(1 + 2 * number, np.linspace(0, 3, steps)))
    values = waves + rng.normal(0, 0.3, waves.shape)
    made = pd.DataFrame(values, columns=[f"t{i}" for i in range(steps)])
    return made.assign(state=np.array(["low", "high"])[number])


def long(count: int) -> pd.DataFrame:
    """Cases of several lengths and two features, their names in no order."""
    rng = np.random.default_rng(1)
    parts = [
        pd.DataFrame(rng.normal(0, 1, (8 + k % 3, 2)) + k % 2, columns=["v", "w"]).assign(
            case=f"c{(k * 7) % 101}", at=range(8 + k % 3), state=["low", "high"][k % 2]
        )
        for k in range(count)
    ]
    return pd.concat(parts)


def loaded(path: Path, options: ReadOptions, **parting: Any) -> Loaded:
    return Loaded(str(path), own=read_own(path, options, SplitOptions(**parting)))


@pytest.mark.parametrize("form", ["wide", "long"])
@pytest.mark.parametrize("apart", [False, True])
def test_blocks_of_the_file_are_train(form: str, apart: bool, tmp_path: Path) -> None:
    """Test is drawn from the same file, or has one of its own."""
    frame, options = wide(40), ReadOptions("state")
    if form == "long":
        frame, options = long(40), ReadOptions("state", "case", "at")
    frame.to_parquet(tmp_path / "all.parquet", row_group_size=11)
    parting = {}
    if apart:
        (wide(10, seed=9) if form == "wide" else long(10)).to_parquet(tmp_path / "test.parquet")
        parting = {"test": str(tmp_path / "test.parquet")}
    data = loaded(tmp_path / "all.parquet", options, **parting)
    files = ParquetTrain.of(data)
    assert files is not None
    train = data.dataset.train.cases
    parts = located(files, train, 9)
    assert len(parts) > 3
    for part, own in parts:
        for one, other in zip(own.read(), train[part], strict=True):
            np.testing.assert_array_equal(one, other)
    assert sum(part.stop - part.start for part, _ in parts) == len(train)


def test_workers_that_read_give_the_fit_of_one_process(
    tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide(60, steps=80).to_parquet(tmp_path / "all.parquet", row_group_size=11)
    data = loaded(tmp_path / "all.parquet", ReadOptions("state"))
    train = data.dataset.train
    settings: dict[str, Any] = {
        "backbone": tiny_bert,
        "tokenizer": "kernels:steps=4",
        "device": "cpu",
        "dtype": "float32",
        "random_state": 0,
    }
    here = PromptClassifier(**settings).fit(train.cases, train.labels)
    monkeypatch.setattr("tsprompt.heads.ridge.EXACT_CASES", 20)
    few = PromptClassifier(**settings).fit(train.cases, train.labels)
    sizes: dict[bool, int] = {}
    real = spread.add_up

    def noted(model: Any, share: Any) -> Any:
        reads = isinstance(share.cases, Located)
        sizes[reads] = max(sizes.get(reads, 0), len(pickle.dumps(share)) // len(share.targets))
        return real(model, share)

    monkeypatch.setattr(spread, "add_up", noted)
    for files in (None, ParquetTrain.of(data)):
        workers = Spread(Local(1), block_cases=20, device="cpu", files=files)
        there = PromptClassifier(**settings).fit(train.cases, train.labels, workers=workers)
        chances = there.predict_proba(train.cases)
        np.testing.assert_allclose(chances, few.predict_proba(train.cases), atol=1e-4)
    assert sizes[False] > 80 * 4  # the series themselves
    assert sizes[True] < sizes[False] / 2
    assert not np.allclose(here.predict_proba(train.cases), chances, atol=1e-6)


def test_what_has_changed_is_not_learned_from(tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    wide(40).to_parquet(path)
    data = loaded(path, ReadOptions("state"))
    files, train = ParquetTrain.of(data), data.dataset.train.cases
    assert files is not None
    parts = located(files, train, 20)
    wide(40).sample(frac=1, random_state=0).to_parquet(path)
    with pytest.raises(DatasetError, match="has changed since"):
        parts[0][1].read()
    with pytest.raises(DatasetError, match="holds other cases than those"):
        located(files, train, 20)[0][1].read()
    wide(30).to_parquet(path)
    with pytest.raises(DatasetError, match="files of train hold"):
        located(files, train, 20)


def test_only_a_parquet_file_is_read_in_blocks(tmp_path: Path) -> None:
    wide(40).to_csv(tmp_path / "all.csv", index=False)
    assert ParquetTrain.of(loaded(tmp_path / "all.csv", ReadOptions("state"))) is None
    assert ParquetTrain.of(Loaded("GunPoint")) is None


@pytest.mark.extra("ray")
def test_the_command_lets_workers_read(
    tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, _roots())))
    wide(60).to_parquet(tmp_path / "all.parquet", row_group_size=11)
    cheap = ["--backbone", tiny_bert, "--tokenizer", "kernels:steps=4", "--n-prompts", "1"]
    cheap += ["--device", "cpu", "--dtype", "float32", "--no-ablations", "--no-twin"]
    asked = ["fit", str(tmp_path / "all.parquet"), "--label", "state", *cheap]
    ok(*asked, "-o", str(tmp_path / "here"))
    spread_over = ["--backend", "ray", "--jobs", "1", "--block-cases", "16"]
    ok(*asked, *spread_over, "-o", str(tmp_path / "there"))
    asked = ("--format", "json")
    said = [
        json.loads(ok("predict", str(tmp_path / one), str(tmp_path / "all.parquet"), *asked))
        for one in ("here", "there")
    ]
    rows = [one["rows"] for one in said]
    assert len(rows[0]) == 60
    for one, other in zip(*rows, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def _roots() -> list[Path]:
    root = Path(__file__).parents[2]
    return [root, root / "cli", root / "datasets"]
