"""How the command says no: one line, exit code 2, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import ok, refused, run, start, write_set


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["fit", "UnitTst"], "did you mean UnitTest"),
        (["fit", "UnitTest", "--strategy", "per-stop"], "did you mean per-step"),
        (["fit", "UnitTest", "--tokenizer", "kernels:step=3"], "did you mean steps"),
        (["fit", "UnitTest", "--recipe", "orignal"], "did you mean original"),
        (["fit", "UnitTest", "--backbone", "bert-base-uncased"], "On this machine there are:"),
        (["fit", "UnitTest", "--device", "quantum"], "not one of: auto, cpu"),
        (["fit", "UnitTest", "--data-dir", "absent"], "is not a folder"),
        (["compare", "UnitTest", "--strategies", "shared,foo"], "no strategy is called 'foo'"),
        (["compare", "UnitTest", "--backbone", "absent"], "On this machine there are:"),
        (["show", "absent"], "give the folder that fit wrote"),
        (["evaluate", "absent", "UnitTest"], "give the folder that fit wrote"),
        (["predict", "absent", "absent.ts"], "give the folder that fit wrote"),
        (["datasets", "info", "GunPont"], "did you mean GunPoint"),
        (["fit", "UnitTest", "--prompt", "soft", "--head", "prototype"], "needs --readout mask"),
    ],
)
def test_refusals(args: list[str], said: str, home: Path) -> None:
    assert said in refused(*args)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("args", [["fit"], ["fit", "UnitTest", "--seed", "x"], ["nothing"]])
def test_usage_errors_exit_2(args: list[str]) -> None:
    assert run(*args).exit_code == 2


def test_a_damaged_file_is_named_with_its_line(home: Path) -> None:
    folder = write_set(home, "Broken", ["1,2,3:a", "1,2,x:b"], ["1,2,3:a"])
    line = refused("fit", "Broken", "--data-dir", folder)
    assert "Broken_TRAIN.ts" in line
    assert "line 6" in line


def test_one_class_only(cheap: list[str], home: Path) -> None:
    folder = write_set(home / "data", "One", ["1,2,3:a", "1,2,4:a"], ["1,2,3:a"])
    assert "one class only" in refused("fit", "One", "--data-dir", folder, *cheap)
    assert not (home / "models").exists()


def test_labels_of_test_that_train_never_had(home: Path) -> None:
    folder = write_set(home, "New", ["1,2,3:a", "1,2,4:b"], ["1,2,3:c"])
    assert "train never had" in refused("fit", "New", "--data-dir", folder)


def test_too_few_cases_for_the_head(cheap: list[str], home: Path) -> None:
    folder = write_set(home, "Few", ["1,2,3:a", "2,2,3:a", "1,2,4:b"], ["1,2,3:a"])
    assert "--head ridge" in refused("fit", "Few", "--data-dir", folder, *cheap, "--head", "mlp")


def test_output_is_tried_before_the_fit(home: Path) -> None:
    (home / "file").write_text("kept")
    (home / "folder").mkdir()
    (home / "folder/other").write_text("kept")
    for output in ("file/model", "folder", "file"):
        assert refused("fit", "UnitTest", "-o", output).endswith("choose another --output")
    assert "can't be written" in refused("compare", "UnitTest", "-o", "file/table.csv")
    assert "is a folder" in refused("compare", "UnitTest", "-o", "folder")
    assert "is a file" in refused("compare", "UnitTest", "--records", "file")
    assert "for the screen" in refused("compare", "UnitTest", "-o", "x", "--format", "table")
    assert (home / "file").read_text() == "kept"
    assert sorted(home.rglob("*")) == [home / "file", home / "folder", home / "folder/other"]


def test_a_model_beside_files_of_ones_own_is_refused_before_the_fit(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt import PromptClassifier

    def never(*_: Any) -> None:
        raise AssertionError("it was fitted first")

    monkeypatch.setattr(PromptClassifier, "fit", never)
    (home / "mixed").mkdir()
    for name in ("model.json", "model.safetensors", "notes.txt"):
        (home / "mixed" / name).write_text("kept")
    assert "is no saved model" in refused("fit", "UnitTest", "-o", "mixed")


def test_a_full_disk_keeps_what_was_there(
    cheap: list[str], model: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok("fit", "UnitTest", *cheap, "--no-ablations", "-o", "kept")
    before = (home / "kept/model.json").read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save", full)
    assert "untouched" in refused("fit", "UnitTest", *cheap, "--seed", "1", "-o", "kept")
    assert (home / "kept/model.json").read_bytes() == before
    assert [one.name for one in home.iterdir()] == ["kept"]


def test_other_features_than_train(model: Path) -> None:
    assert "was fitted with 1" in refused("predict", str(model), "BasicMotions")


def test_labels_that_the_model_never_saw(model: Path) -> None:
    assert "never saw" in refused("evaluate", str(model), "OSULeaf")


def test_a_truncated_or_newer_model(model: Path, home: Path) -> None:
    header = json.loads((model / "model.json").read_text())
    broken = home / "model"
    broken.mkdir()
    tensors = (model / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(tensors[:-1])
    (broken / "model.json").write_text(json.dumps(header))
    assert "truncated" in refused("show", str(broken))
    (broken / "model.json").write_text(json.dumps(header)[:-9])
    assert "truncated" in refused("predict", str(broken), "UnitTest")
    (broken / "model.json").write_text(json.dumps({**header, "format": 99}))
    assert "format 99" in refused("show", str(broken))


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from tsprompt_cli.commands import doctor

    def bug() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(doctor, "_findings", bug)
    result = run("doctor")
    assert isinstance(result.exception, RuntimeError)
    assert result.exit_code == 1


def test_a_closed_pipe_is_no_error() -> None:
    process = start("list", "recipes", "-v")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert err == ""


@pytest.mark.slow
def test_a_narrow_encoding_is_no_error(model: Path) -> None:
    out, err = start("show", str(model), env={"PYTHONIOENCODING": "ascii"}).communicate(timeout=60)
    assert "layout" in out
    assert err == ""
