"""`tsprompt curve` and `tsprompt advise`: what they print, keep, refuse, and leave at Ctrl-C."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tsprompt.baselines.ridge import Ridge as RidgeBaseline
from tsprompt.classifier import PromptClassifier

MACHINE = ("--device", "cpu", "--dtype", "float32")


@pytest.fixture
def options(tiny_bert: str) -> list[str]:
    return ["--backbone", tiny_bert, "--tokenizer", "kernels:steps=3", *MACHINE]


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, list(args))


def curve(*args: str) -> Result:
    return run("curve", "UnitTest", "--sizes", "6", "--seeds", "2", *args)


def advise(*args: str) -> Result:
    return run("advise", "UnitTest", "--levels", "all", "--splits", "2", "--epochs", "1", *args)


@pytest.mark.slow
def test_a_curve_prints_means_words_and_a_page(options: list[str], tmp_path: Path) -> None:
    page, records = tmp_path / "page.html", tmp_path / "records"
    kept = ("--records", str(records), "--n-prompts", "1", *options)
    first = curve("--html", str(page), *kept)
    assert first.exit_code == 0, first.stderr
    head = next(line for line in first.stdout.splitlines() if line.startswith("train cases"))
    assert head.split("  ")[0] == "train cases"
    assert "ridge on raw values" in head
    assert "Means over 2 draws" in first.stdout
    assert "UnitTest: accuracy by the number of train cases" in page.read_text(encoding="utf-8")
    times = {file: file.stat().st_mtime_ns for file in records.iterdir()}
    assert len(times) == 2 * 3 + 5
    told = json.loads(curve("--format", "json", *kept).stdout)
    assert {file: file.stat().st_mtime_ns for file in records.iterdir()} == times
    assert {row["size"] for row in told["rows"]} == {6, 20}
    assert told["n_train"] == 20
    assert told["endings"][0]["method"] == "default"
    text = curve("-o", str(tmp_path / "curve.csv"), *kept)
    assert text.exit_code == 0
    assert (tmp_path / "curve.csv").read_text().startswith("method,kind,size,mean,runs,se,low")


def test_ctrl_c_shows_and_keeps_what_is_finished(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = []
    fit = RidgeBaseline.fit

    def stop(*given: Any) -> Any:
        fits.append(1)
        if len(fits) > 2:
            raise KeyboardInterrupt
        return fit(*given)

    monkeypatch.setattr(RidgeBaseline, "fit", stop)
    alone = ("--no-twin", "--n-prompts", "1", "--records", str(tmp_path), *options)
    result = curve(*alone)
    assert result.exit_code == 130
    assert "5 of 7 runs are in" in result.stderr
    assert "\n          6" in result.stdout
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.slow
def test_advice_is_given_with_its_evidence(options: list[str], tmp_path: Path) -> None:
    page, records = tmp_path / "page.html", tmp_path / "records"
    first = advise("--html", str(page), "--records", str(records), *options)
    assert first.exit_code == 0, first.stderr
    assert first.stdout.startswith("For all there is (16 cases to learn from")
    assert "minus the default" in first.stdout
    assert "\nnext" in first.stdout
    assert "tsprompt fit UnitTest" in first.stdout
    assert "which training strategy" in page.read_text(encoding="utf-8")
    told = json.loads(advise("--format", "json", "--records", str(records), *options).stdout)
    assert told["chosen"] in [row["strategy"] for row in told["rows"] if row["chosen"]]
    assert len(told["rows"]) == 6


def test_a_budget_begins_nothing_that_would_end_later(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt_cli.runs import Runs

    monkeypatch.setattr(Runs, "_expected", lambda *_: 9.0)
    result = advise("--budget", "0.1", *options)
    assert result.exit_code == 0, result.stderr
    assert "Nothing can be said yet" in result.stdout
    assert "12 of 12 runs were not made" in result.stdout


def test_how_long_it_takes_is_said_before_the_rest(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt_cli.runs import Runs

    monkeypatch.setattr(Runs, "_expected", lambda *_: 60.0)
    monkeypatch.setattr(PromptClassifier, "fit", lambda *_, **__: 1 / 0)
    result = advise(*options)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    [at] = [at for at, line in enumerate(lines) if line.startswith("Time: ")]
    assert lines[at] == "Time: about 6 minutes for the 6 runs to come"
    assert lines[at - 1].startswith("6 of 12")
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("curve", "UnitTest", "--sizes", "3"), "--sizes: 3 cases can't be taken; train has 20"),
        (("curve", "UnitTest", "--sizes", "4,x"), "--sizes: 'x' is no whole number"),
        (("curve", "UnitTest", "--baseline", "rigde"), "ridge"),
        (("curve", "NoSuchSet"), "no data set is called 'NoSuchSet'"),
        (("advise", "NoSuchSet"), "no data set is called 'NoSuchSet'"),
        (("advise", "UnitTest", "--levels", "5,x"), "--levels: 'x' is no number of cases"),
        (("advise", "UnitTest", "--levels", "50"), "give smaller --levels"),
        (("advise", "UnitTest", "--held-out", "1.5"), "--held-out is 1.5; it is a share"),
        (("advise", "UnitTest", "--layer", "9"), "there is no layer 9"),
        (("advise", "table.csv", "--cv", "3"), "give --splits 3"),
        (("curve", "one.csv"), "one.csv: all cases have the label"),
        (("advise", "few.csv"), "needs 3 of each class"),
    ],
)
def test_bad_input_says_what_to_do(
    args: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).normal(size=(9, 12)).round(3)
    head = ",".join(["label", *(f"t{step}" for step in range(12))])
    for name, labels in (("one", "a" * 9), ("few", "aaaaaaabb"), ("table", "aaaaabbbb")):
        rows = [",".join([one, *map(str, row)]) for one, row in zip(labels, values, strict=True)]
        Path(f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")
    result = run(*args)
    assert result.exit_code == 2, result.stderr
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_what_fits_the_model_reads_a_file_as_here(tmp_path: Path) -> None:
    from tsprompt_cli.commands.advise import _fit
    from tsprompt_cli.own_data import Parting

    said = _fit("my own.csv", Parting(label="state of it", header=False, test_size=0.2), tmp_path)
    assert said == (
        "tsprompt fit 'my own.csv' --label 'state of it' --no-header --test-size 0.2 "
        f"--data-dir {tmp_path}"
    )


def test_an_output_does_not_overwrite_what_is_read(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("label,t0,t1\na,1,2\nb,2,1\n")
    for command in ("curve", "advise"):
        result = run(command, str(file), "-o", str(file))
        assert result.exit_code == 2
        assert "would be overwritten" in " ".join(result.stderr.split())
    assert file.read_text().startswith("label")
