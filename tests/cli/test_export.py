"""`tsprompt export`: what it says, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tsprompt import PromptClassifier
from tsprompt.export import onnx


@pytest.fixture(scope="module")
def saved(tiny_bert: str, separable: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings: dict[str, Any] = {"tokenizer": "patches:steps=4", "n_prompts": 1, "random_state": 0}
    model = PromptClassifier(backbone=f"none:{tiny_bert}", device="cpu", **settings)
    model.fit(separable.X, separable.y)
    return model.save(tmp_path_factory.mktemp("models") / "m")


def run(*args: object) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, ["export", *map(str, args)])


@pytest.mark.slow
@pytest.mark.extra("onnx")
def test_it_says_what_the_graph_takes_and_gives(saved: Path, tmp_path: Path) -> None:
    done = run(saved, "--onnx", tmp_path / "m.onnx")
    assert done.exit_code == 0, done.stderr
    assert "cases x 20 x 2" in done.stdout
    assert "cases x 3" in done.stdout
    assert (tmp_path / "m.onnx").is_file()


def test_without_the_extra_it_says_how_to_get_it(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    done = run(saved, "--onnx", tmp_path / "m.onnx")
    assert done.exit_code == 2
    assert "pip install 'tsprompt[onnx]'" in done.stderr
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("name", ["readings.csv", "readings", "onnx"])
def test_a_table_is_not_overwritten(saved: Path, tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.write_text("a,b\n1,2\n")
    done = run(saved, "--onnx", mine)
    assert done.exit_code == 2
    assert "ends so as --onnx" in " ".join(done.stderr.split())
    assert mine.read_text() == "a,b\n1,2\n"


def test_the_model_itself_is_not_overwritten(saved: Path) -> None:
    (saved / "of-mine.onnx").write_bytes(b"")
    for name in ("model.json", "of-mine.onnx"):
        assert run(saved, "--onnx", saved / name).exit_code == 2
    (saved / "of-mine.onnx").unlink()
    assert PromptClassifier.load(saved, device="cpu").n_features_in_ == 2
