"""The command line: what it prints, where it writes, and how it says no."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tsprompt.base.kinds import KINDS

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "sktime", "pandas", "sklearn")


def environment(**changes: str) -> dict[str, str]:
    roots = os.pathsep.join(str(ROOT / part) for part in ("", "cli", "datasets"))
    return {**os.environ, "PYTHONPATH": roots, **changes}


def start(*args: str, code: str = "", **changes: Any) -> subprocess.Popen[str]:
    """The command in a process of its own; `code` runs when it is about to exit."""
    program = (
        "import sys\nfrom tsprompt_cli.main import main\n"
        f"try:\n    main()\nfinally:\n    {code or 'pass'}"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *args],
        env=environment(**changes.pop("env", {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **changes,
    )


def run(*args: str) -> Result:
    """The command in this process."""
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, list(args))


def ok(*args: str) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refused(*args: str) -> str:
    """The one line that a refused command says."""
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    [line] = [one for one in result.stderr.splitlines() if not one.startswith("Note:")]
    assert line.startswith("Error: ")
    return line


def write_set(folder: Path, name: str, train: list[str], test: list[str]) -> str:
    """Write a univariate set of equal lengths; cases are `1,2,3:label`."""
    labels = sorted({line.rpartition(":")[2] for line in train + test})
    header = f"@problemName {name}\n@univariate true\n@classLabel true {' '.join(labels)}\n@data\n"
    home = folder / name
    home.mkdir(parents=True)
    for part, lines in (("TRAIN", train), ("TEST", test)):
        (home / f"{name}_{part}.ts").write_text(header + "\n".join(lines) + "\n")
    return str(folder)


@pytest.fixture(scope="module")
def cheap(tiny_bert: str) -> list[str]:
    """Options under which a fit takes a blink."""
    options = {"backbone": tiny_bert, "n-prompts": "1", "device": "cpu", "dtype": "float32"}
    return ["--tokenizer", "kernels:steps=4"] + [
        word for name, value in options.items() for word in (f"--{name}", value)
    ]


@pytest.fixture(scope="module")
def model(cheap: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model of UnitTest."""
    folder = tmp_path_factory.mktemp("models") / "unit"
    ok("fit", "UnitTest", *cheap, "--no-ablations", "-o", str(folder), "--strategy", "per-step")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Light enough


@pytest.mark.parametrize("args", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    code = (
        "import resource; used = resource.getrusage(resource.RUSAGE_SELF); "
        f"print([one for one in {HEAVY} if one in sys.modules], used.ru_utime, file=sys.stderr)"
    )
    out, err = start(*args, code=code).communicate(timeout=60)
    assert err.startswith("[] "), err
    print(args, "took", err.split()[1], "s of processor time")
    assert "tsprompt" in out


@pytest.mark.parametrize(
    ("words", "number", "expected"),
    [
        ("tsprompt fit Unit", 2, "UnitTest"),
        ("tsprompt fit UnitTest --strategy per", 4, "per-step"),
        ("tsprompt fit UnitTest --recipe original-s", 4, "original-surrogate"),
        ("tsprompt eval", 1, "evaluate"),
    ],
)
def test_shell_completion_answers(words: str, number: int, expected: str) -> None:
    asked = {
        "_TSPROMPT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(number),
    }
    code = f"print([one for one in {HEAVY} if one in sys.modules], file=sys.stderr)"
    out, err = start(code=code, env=asked).communicate(timeout=60)
    assert expected in out.split()
    assert err.strip() == "[]"


def test_completion_knows_what_is_registered() -> None:
    from tsprompt_cli.catalogue import explain_kind
    from tsprompt_cli.completion import part_names

    for kind in KINDS.values():
        assert part_names(kind) == [part.name for part in explain_kind(kind)]


# fit


def test_fit_shows_the_whole_way_and_saves(cheap: list[str], home: Path) -> None:
    out = ok("fit", "UnitTest", "--strategy", "per-step", *cheap)
    for said in (
        "20 train and 22 test cases",
        "24 timesteps x 1 feature",
        "24 timesteps → 4 steps of 6 timesteps, 4 prompt tokens → 11 positions",
        "layers 1 to 2 of 2",
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


# Errors


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


# evaluate, predict, show


def test_evaluate(model: Path) -> None:
    out = ok("evaluate", str(model), "UnitTest")
    for said in ("UnitTest, test, 22 cases", "balanced accuracy", "macro f1", "log loss", "true"):
        assert said in out
    test, train = (
        json.loads(ok("evaluate", str(model), "UnitTest", "--part", part, "--format", "json"))
        for part in ("test", "train")
    )
    assert sum(map(sum, test["confusion"])) == test["rows"][0]["cases"] == 22
    assert train["rows"][0]["cases"] == 20
    right = sum(test["confusion"][i][i] for i in range(2))
    row = test["rows"][0]
    assert row["accuracy"] == pytest.approx(right / 22)
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    assert sum(one["cases"] for one in test["by_class"]) == 22
    assert len(test["mistakes"]) == min(22 - right, 12)


def test_evaluate_writes_a_page(model: Path, home: Path) -> None:
    result = run("evaluate", str(model), "UnitTest", "--html", "page.html", "--part", "train")
    assert result.exit_code == 0, result.output
    assert "Wrote: page.html" in result.stderr
    assert "the model was fitted on these cases" in result.stderr
    text = (home / "page.html").read_text(encoding="utf-8")
    assert "Evaluation on UnitTest" in text
    assert "The model was fitted on these cases" in text
    assert "is a folder" in refused("evaluate", str(model), "UnitTest", "--html", ".")


def test_predict(model: Path, home: Path) -> None:
    import numpy as np
    import pandas as pd

    from tsprompt.classifier import PromptClassifier
    from tsprompt_datasets import fetch_dataset, load_dataset

    result = run("predict", str(model), "UnitTest", "--format", "table")
    assert result.exit_code == 0
    assert "20 of 22 cases are shown" in result.stderr
    assert "p(2)" in result.stdout
    ok("predict", str(model), str(fetch_dataset("UnitTest").test), "-o", "out.csv")
    written = pd.read_csv("out.csv", dtype={"label": str})
    expected = PromptClassifier.load(model, device="cpu").predict_proba(
        load_dataset("UnitTest").test.cases
    )
    assert written["case"].tolist() == list(range(1, 23))
    np.testing.assert_allclose(written[["p(1)", "p(2)"]], expected, rtol=0, atol=1e-12)
    rows = json.loads(ok("predict", str(model), "UnitTest", "--format", "json"))["rows"]
    assert [row["label"] for row in rows] == written["label"].tolist()


def test_predict_reads_arrays(model: Path, home: Path) -> None:
    import numpy as np

    np.save("new.npy", np.zeros((3, 24, 1), np.float32))
    assert len(ok("predict", str(model), "new.npy", "--format", "csv").splitlines()) == 4


def test_json_has_no_nan(cheap: list[str], home: Path) -> None:
    from tsprompt.base.tensor_folder import digest_of

    ok(
        "fit",
        "UnitTest",
        *cheap,
        "--no-ablations",
        "--shots",
        "1",
        "--head",
        "mlp:epochs=1",
        "-o",
        "one",
    )
    header = json.loads((home / "one/model.json").read_text())
    header["scores"]["validation_loss"] = float("nan")
    header["digest"] = digest_of(header)
    (home / "one/model.json").write_text(json.dumps(header))
    shown = json.loads(ok("show", "one", "--format", "json"), parse_constant=pytest.fail)
    assert shown["scores"]["validation_loss"] is None


def test_show(model: Path) -> None:
    out = ok("show", str(model))
    for said in (
        "per-step",
        "24 timesteps → 4 steps of 6 timesteps",
        "32; 1 prompt",
        "[CLS]",
        "x1",
        "x4 [MASK] [SEP]",
        "leave-one-out",
        "UnitTest (22 cases)",
    ):
        assert said in out
    about = json.loads(ok("show", str(model), "--format", "json"))
    kinds = [slot["kind"] for slot in about["templates"][0]]
    assert kinds == ["cls", *["prompt", "data"] * 4, "mask", "sep"]
    assert about["details"]["dataset"] == "UnitTest"
    assert about["bytes"] == sum(file.stat().st_size for file in model.iterdir())


@pytest.mark.parametrize("scope", ["series", "step"])
@pytest.mark.parametrize("strategy", ["shared", "per-step", "autoencoder:epochs=1"])
@pytest.mark.parametrize("tokenizer", ["kernels:steps=3", "bins:bins=9,steps=3"])
def test_description_agrees_with_the_model(
    tiny: dict[str, Any], separable: Any, strategy: str, scope: str, tokenizer: str
) -> None:
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.layout import layout, slots

    classifier = PromptClassifier(strategy=strategy, scope=scope, tokenizer=tokenizer, **tiny)
    classifier.fit(separable.X, separable.y)
    about = layout(classifier.fitted_)
    assert about.features == len(classifier.parts_.combination.heads_[0].mean_)
    shown = slots(classifier.fitted_, classifier.readings_[0])
    assert sum(slot.tokens for slot in shown) == about.positions
    assert len({slot.text for slot in shown if slot.kind == "data"}) == (
        1 if scope == "step" else about.steps
    )


def test_words_of_vectors_are_the_nearest(tiny: dict[str, Any], separable: Any) -> None:
    from tsprompt.backbones.template import Prompt
    from tsprompt.classifier import PromptClassifier
    from tsprompt.model.layout import slots

    classifier = PromptClassifier(tokenizer="kernels:steps=3", **tiny)
    classifier.fit(separable.X, separable.y)
    reading = classifier.readings_[0]
    words = [slot.text for slot in slots(classifier.fitted_, reading) if slot.kind == "prompt"]
    vectors = reading.prompt.fill(classifier.reader_.backbone)
    where = {"before": reading.prompt.before, "mask": reading.prompt.mask}
    reading.prompt = Prompt(ids=None, vectors=vectors * 1.5, **where)
    near = [slot.text for slot in slots(classifier.fitted_, reading) if slot.kind == "prompt"]
    assert near == [f"~{word}" for word in words]


def test_long_templates_are_abbreviated() -> None:
    from tsprompt.model.layout import Slot
    from tsprompt_cli.display.template import abbreviate, template_text

    data = [Slot("data", f"x{i}") for i in range(1, 51)]
    shared = [Slot("cls", "[CLS]"), Slot("prompt", "word"), *data, Slot("mask", "[MASK]")]
    assert [text for _, text in abbreviate(shared)] == (
        ["[CLS]", "word", "x1", "…", "x50", "[MASK]"]
    )
    by_step = [one for slot in data for one in (Slot("prompt", "p"), slot)]
    shown = [text for _, text in abbreviate(by_step)]
    assert "… 77 more …" in shown
    assert shown[-1] == "x50"
    assert len(str(template_text(by_step, full=True)).split()) == 100


def test_labels_are_no_markup(cheap: list[str], home: Path) -> None:
    cases = [f"{i},2,{i * i},4,5:{'ab'[i % 2]}" for i in range(8)]
    cases = [case.replace(":a", ":[red]") for case in cases]
    folder = write_set(home, "Odd", cases, cases)
    out = ok("fit", "Odd", "--data-dir", folder, *cheap, "--no-ablations")
    assert "[red] (4)" in out
    for command in ("evaluate", "predict"):
        assert "[red]" in ok(command, "models/Odd-shared", "Odd", "--data-dir", folder)
    assert "[red]" in ok("datasets", "info", "Odd", "--data-dir", folder)
    assert "[red]" in ok("show", "models/Odd-shared")


# datasets, list, doctor


def test_datasets(home: Path) -> None:
    folder = write_set(home, "Mine", ["1,2,3:a", "1,2,4:b"], ["1,2,3:a"])
    listed = ok("datasets", "list", "--data-dir", folder)
    assert "GunPoint" in listed
    assert "Mine" in listed
    assert "Adiac" not in listed
    assert "Adiac" in ok("datasets", "list", "--all", "--format", "csv")
    about = json.loads(ok("datasets", "info", "Mine", "--data-dir", folder, "--format", "json"))
    assert about["train_counts"] == {"a": 1, "b": 1}
    assert "67 train and 1029 test cases" in ok("datasets", "info", "ItalyPowerDemand")
    assert "bundled" in ok("datasets", "fetch", "UnitTest")


@pytest.mark.parametrize(
    ("kind", "one", "explained"),
    [
        ("strategies", "per-step", "latent = 32"),
        ("tokenizers", "kernels", "steps = 64"),
        ("prompts", "hard", "placement = around"),
        ("tuners", "search", "draws = 10"),
        ("readouts", "pooled", "segments = 4"),
        ("heads", "ridge", "low = -3.0"),
        ("baselines", "rocket", "kernels = 10000"),
        ("preprocessings", "standard", "missing = interpolate"),
        ("recipes", "original", "tokenizer = bins:words=index"),
        ("backbones", "minilm", "sha256"),
    ],
)
def test_lists(kind: str, one: str, explained: str) -> None:
    assert one in ok("list", kind)
    if kind != "backbones":
        assert explained in ok("list", kind, "-v")
    names = [row["name"] for row in json.loads(ok("list", kind, "--format", "json"))["rows"]]
    assert one in names


def test_every_option_of_every_part_is_explained() -> None:
    from tsprompt_cli.catalogue import explain_kind

    for kind in KINDS.values():
        for part in explain_kind(kind):
            assert part.about
            assert not [option.name for option in part.options if not option.about], part.name


def test_doctor() -> None:
    out = ok("doctor")
    for said in ("minilm", "verified", "torch", "float32", "bundled", "tsai"):
        assert said in out
    assert set(json.loads(ok("doctor", "--format", "json"))) >= {"Machine", "Backbones", "Packages"}


def test_a_template_is_short_for_the_prompts_own_option() -> None:
    from tsprompt.errors import ConfigError
    from tsprompt_cli.options import Choices, Model

    text = "so, {series} is [MASK]"
    assert Model(recipe="manual", template=text).settings() == {
        "prompt": f'manual:template="{text}"'
    }
    words = Model(prompt="soft-words", n_prompts=2, template=text).settings()
    assert words == {"prompt": f'soft-words:template="{text}"', "n_prompts": 2}
    assert "template" not in Model(recipe="manual").settings()
    with pytest.raises(ConfigError, match="--template: the prompt 'hard' has no template"):
        Model(template=text).settings()
    with pytest.raises(ConfigError, match=r"has no \[MASK\]"):
        Model(recipe="manual", template="a {series}").settings()
    with pytest.raises(ConfigError, match="--template: each recipe has a prompt of its own"):
        Choices(template=text).settings()


def test_the_command_says_what_a_template_lacks(cheap: list[str]) -> None:
    said = refused("fit", "ItalyPowerDemand", "--template", "a {series} [MASK]", *cheap)
    assert "the prompt 'hard' has no template; use --recipe manual" in said


# Rare classes


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
