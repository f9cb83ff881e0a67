"""`fit`: what it prints, what it writes, and what an interruption leaves."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import ok, refused, run, start, write_set


def test_fit_shows_the_whole_way_and_saves(cheap: list[str], home: Path) -> None:
    out = ok("fit", "UnitTest", "--strategy", "per-step", *cheap)
    for said in (
        "20 train and 22 test cases",
        "24 timesteps x 1 feature",
        "24 timesteps → 4 steps of 6 timesteps, 4 prompt tokens → 11 positions",
        "layer 1 of 2",
        "leave-one-out",
        "no LM",
        "random weights",
        "test: 22 cases, 95 % interval 0.",
        f"tsprompt show {Path('models/UnitTest-per-step')}",
    ):
        assert said in out
    assert "\x1b" not in out
    assert sorted(file.name for file in (home / "models/UnitTest-per-step").iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
    ]


def test_recipes_have_rows_and_folders_of_their_own(cheap: list[str], home: Path) -> None:
    for given, name in (
        (["--recipe", "prompt-tuning", "--tuner", "gradient:epochs=1"], "prompt-tuning"),
        (["--recipe", "fast", "--strategy", "per-step"], "fast-per-step"),
    ):
        out = ok("fit", "UnitTest", *cheap, *given, "--no-ablations")
        assert f"tsprompt show {Path('models') / f'UnitTest-{name}'}" in out
        assert (home / "models" / f"UnitTest-{name}").is_dir()
        assert any(line.startswith(f"{name} ") for line in out.splitlines())
    from tsprompt import PromptClassifier

    model = PromptClassifier.load(home / "models/UnitTest-prompt-tuning", device="cpu")
    assert model.parts_.validation_kind() == "leave-one-out, on cases that were trained on before"


def test_fit_for_machines(cheap: list[str], home: Path) -> None:
    out = json.loads(ok("fit", "UnitTest", *cheap, "--format", "json", "-o", "here"))
    first, no_lm, random = out["records"]
    assert (first["method"], no_lm["method"]) == ("shared", "no LM")
    assert random["backbone"].startswith("random:")
    assert no_lm["fit_tokens"] == 0
    low, high = first["accuracy_interval"]
    assert 0 < low < first["accuracy"] < high <= 1
    assert first["settings"]["tokenizer"] == "kernels:steps=4"
    assert first["weights_hash"] != random["weights_hash"]
    details = json.loads((home / "here/model.json").read_text())["details"]
    assert details["test"]["accuracy"] == first["accuracy"]


def test_fit_reads_test_once(cheap: list[str], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tsprompt.classifier import PromptClassifier

    seen = []
    real = PromptClassifier.predict_proba

    def count(self: Any, X: Any) -> Any:
        seen.append(len(X))
        return real(self, X)

    monkeypatch.setattr(PromptClassifier, "predict_proba", count)
    ok("fit", "UnitTest", *cheap, "--no-ablations")
    assert seen == [22]


def test_notices_are_lines_on_stderr_once(cheap: list[str], home: Path) -> None:
    cases = [f"{i},?,{i + 1},4,5:{'ab'[i % 2]}" for i in range(8)]
    folder = write_set(home, "Gaps", cases, cases[:4])
    result = run("fit", "Gaps", "--data-dir", folder, *cheap)
    assert result.exit_code == 0, result.output
    notes = [line for line in result.stderr.splitlines() if line.startswith("Note: ")]
    assert len(notes) == len(set(notes)) == 2  # train's gaps and test's
    assert "missing values" in notes[0]
    assert "12 missing values" in result.stdout
    assert "Note" not in result.stdout


@pytest.mark.parametrize("verbose", [False, True])
def test_warnings_of_others_are_shown_on_demand(
    verbose: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import warnings

    from tsprompt.errors import TspromptNotice
    from tsprompt_cli.messages import guarded

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        # pytest collects warnings; a plain Python prints them.
        monkeypatch.setattr(
            warnings, "showwarning", lambda message, *_, **__: print(message, file=sys.stderr)
        )
        with guarded(verbose=verbose):
            warnings.warn("of another library", UserWarning, stacklevel=1)
            for _ in range(2):
                warnings.warn("ours", TspromptNotice, stacklevel=1)
    said = capsys.readouterr().err
    assert ("of another library" in said) is verbose
    assert said.count("Note: ours") == 1


def test_a_report_of_the_fit_is_shown(cheap: list[str], home: Path) -> None:
    spec = "autoencoder:epochs=2,latent=16"
    out = ok("fit", "UnitTest", "--strategy", spec, *cheap, "--no-ablations")
    assert "validation reconstruction error" in out
    assert "24 timesteps → 16 latent numbers → 4 steps of 4 numbers" in out


def test_ctrl_c_leaves_nothing(
    cheap: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt.heads.ridge import Ridge

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Ridge, "fit", stop)
    result = run("fit", "UnitTest", *cheap)
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "Interrupted: nothing was saved"
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_sigint_leaves_nothing(cheap: list[str], tmp_path: Path) -> None:
    process = start("fit", "UnitTest", *cheap, "--tuner", "search:draws=1000000", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("data")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "Interrupted: nothing was saved"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_pressed_many_times_ends_as_one_does(cheap: list[str], tmp_path: Path) -> None:
    process = start("fit", "UnitTest", *cheap, "--tuner", "search:draws=1000000", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("data")
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "Interrupted: nothing was saved"
    assert "Traceback" not in err


def test_ctrl_c_among_the_twins_keeps_the_model(
    cheap: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tsprompt.benchmark

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tsprompt.benchmark, "twins", stop)
    result = run("fit", "UnitTest", *cheap, "-o", "kept")
    assert result.exit_code == 130
    assert "complete, in kept" in result.stderr
    ok("show", "kept")


def test_a_rare_class_is_shown_beside_the_accuracy(cheap: list[str], home: Path) -> None:
    rng = np.random.default_rng(0)

    def cases(common: int, rare: int) -> list[str]:
        rows = rng.normal(size=(common + rare, 12)).round(3)
        rows[common:, 4:] += 2
        names = ["usual"] * common + ["odd"] * rare
        return [f"{','.join(map(str, row))}:{one}" for row, one in zip(rows, names, strict=True)]

    where = ["--data-dir", write_set(home / "data", "Rare", cases(22, 4), cases(10, 5))]
    quick = [*where, *cheap, "--no-ablations"]
    said = ok("fit", "Rare", *quick, "-o", "plain")
    assert "balanced accuracy" in said
    assert "recall of odd" in said
    assert "odd has 4 of 26 training cases; --class-weight balanced" in " ".join(said.split())
    told = json.loads(
        ok("fit", "Rare", *quick, "-o", "even", "--class-weight", "balanced", "--format", "json")
    )
    assert {"rarest": "odd", "cases": 4, "of": 26}.items() <= told["imbalance"].items()
    [(name, recall)] = told["imbalance"]["recall"].items()
    assert name == told["records"][0]["method"]
    assert 0 <= recall <= 1
    assert told["records"][0]["settings"]["class_weight"] == "balanced"
    shown = json.loads(Path("even/model.json").read_text(encoding="utf-8"))
    assert shown["settings"]["class_weight"] == "balanced"
    assert "--class-weight" in refused("fit", "Rare", *quick, "--class-weight", "even")
    # Another name of the run, and so no record of the other is taken for it.
    ok("compare", "Rare", *where, *cheap, "--no-ablations", "--class-weight", "balanced")


def test_classes_of_like_sizes_are_not_called_rare(
    model: Path, cheap: list[str], home: Path
) -> None:
    said = ok("fit", "UnitTest", *cheap, "--no-ablations", "--format", "json")
    assert "imbalance" not in json.loads(said)
