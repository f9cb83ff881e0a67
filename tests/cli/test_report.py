"""`tsprompt report`: what it prints and writes, and how it refuses."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from tsprompt.benchmark import Record

Make = Callable[..., Record]
Write = Callable[..., Path]
SETS = ["Adiac", "Beef", "Car", "Earthquakes", "FISH_%$&", "Mine"]
METHODS = {"shared": "model", "shared, no LM": "ablation", "ridge_1 [x]": "baseline"}


def run(*args: str | Path, width: int = 80) -> Result:
    from tsprompt_cli.main import app
    from tsprompt_cli.output import console

    console.cache_clear()
    done = CliRunner().invoke(app, ["report", *map(str, args)], env={"COLUMNS": str(width)})
    console.cache_clear()
    return done


@pytest.fixture
def folder(make_record: Make, write_records: Write) -> Path:
    records = [
        make_record(name, method, 0.9 - i / 20 - j / 50 + seed / 500, kind=kind, seed=seed)
        for i, name in enumerate(SETS)
        for j, (method, kind) in enumerate(METHODS.items())
        for seed in (0, 1)
    ]
    return write_records(records)


def test_it_prints_tables_that_fit(folder: Path) -> None:
    done = run(folder)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.stdout.splitlines())) <= 80
    for said in (
        "36 runs of 3 methods on 6 sets; the archive's own split, 2 seeds.",
        "Methods over 6 sets",
        "ridge_1 [x]",
        "6/0/0",
        "Pairs of methods",
        "It takes 7 sets at least",
        "better, or worse, by more than 0.01",
        "Accuracy on each set",
        "FISH_%$&",
    ):
        assert said in done.stdout
    assert done.stderr == ""


def test_what_is_level_can_be_said_otherwise(folder: Path) -> None:
    file = folder.parent / "told.json"
    done = run(folder, "--rope", "0.1", "--json", str(file))
    assert "by more than 0.1" in done.stdout
    told = json.loads(file.read_text(encoding="utf-8"))
    assert [one["p_level"] for one in told["methods"]][1:] == [1, 1]
    assert "It takes 7 sets at least" in told["unshown"]
    refused = run(folder, "--rope", "2")
    assert refused.exit_code == 2
    assert "--rope 2" in refused.stderr


def test_many_methods_stand_in_rows(folder: Path, make_record: Make) -> None:
    for i in range(12):
        for j, name in enumerate(SETS):
            record = make_record(name, f"a method with a name {i}", 0.5 + i / 50, seed=0)
            record.write(folder / "records" / f"more-{i}-{j}.json")
    done = run(folder)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Accuracy on each set" not in done.stdout
    assert "Pairs of methods" not in done.stdout
    rows = [one for one in done.stdout.splitlines() if one.startswith("a method with a name 7")]
    assert len(rows) == 3 + len(SETS)  # also its chances, and what it takes


def test_published_results_stand_beside(folder: Path) -> None:
    done = run(folder, "--against", "published:rocket, HC2")
    assert done.exit_code == 0, done.output
    assert "ROCKET (published)" in done.stdout
    assert "MR-Hydra" not in done.stdout
    told = " ".join(done.stdout.split())
    assert "on the 4 of 6 sets that both have: the archive's own split (4 sets)" in told
    assert "Not among them: FISH_%$&, Mine." in told
    assert "MR-Hydra" in run(folder, "--against", "published").stdout


def test_it_writes_every_form(folder: Path, tmp_path: Path) -> None:
    files = {
        one: tmp_path / "out" / f"report.{one}" for one in ("html", "latex", "csv", "markdown")
    }
    done = run(folder, *[word for one, file in files.items() for word in (f"--{one}", file)])
    assert done.exit_code == 0, done.output
    assert done.stderr.count("Wrote: ") == 4
    assert files["html"].read_text().startswith("<!doctype html>")
    table = pd.read_csv(io.StringIO(files["csv"].read_text()))
    assert len(table) == (len(SETS) + 1) * len(METHODS)
    assert table["accuracy"][0] == pytest.approx(0.901)
    text = files["markdown"].read_text()
    assert "| method | kind | accuracy |" in text
    assert text.count("| Adiac |") == 1


def test_latex_is_escaped_and_the_best_is_bold(folder: Path, tmp_path: Path) -> None:
    run(folder, "--latex", tmp_path / "table.tex")
    text = (tmp_path / "table.tex").read_text()
    lines = text.splitlines()
    assert r"FISH\_\%\$\& & \textbf{0.701} & 0.681 & 0.661 \\" in lines
    assert [word in text for word in (r"\toprule", r"\bottomrule")] == [True, True]
    assert text.count(r"\midrule") == 2
    assert r" & shared & shared, no LM & ridge\_1 [x] \\" in lines
    assert r"Mean rank of 6 & \textbf{1.00} & 2.00 & 3.00 \\" in lines
    # Nothing that TeX would take for a command, outside of comments.
    body = re.sub(r"^%.*$", "", text, flags=re.MULTILINE)
    assert not re.search(r"(?<!\\)[%$#_]", body)


def test_accuracies_for_aeon(folder: Path, tmp_path: Path) -> None:
    run(folder, "--aeon", tmp_path / "aeon")
    files = sorted(one.name for one in (tmp_path / "aeon/classification/accuracy").iterdir())
    assert files[1] == "shared, no LM_accuracy.csv"
    assert len(files) == len(METHODS)


def test_what_is_left_out_is_named(folder: Path, make_record: Make, tmp_path: Path) -> None:
    (folder / "records" / "bad.json").write_text("{")
    make_record("Adiac", "shared", None, seed=2).write(folder / "records" / "failed.json")
    done = run(folder, "--markdown", tmp_path / "report.md", "--html", tmp_path / "report.html")
    assert done.exit_code == 0
    assert "Left out: records/bad.json: no record of a run" in done.stderr
    assert "Failed: shared, 1 run on Adiac: broken" in done.stderr
    for file in ("report.md", "report.html"):
        text = (tmp_path / file).read_text()
        assert "records/bad.json" in text
        assert "shared, 1 run on Adiac: broken" in text


def test_a_flood_of_bad_files_is_counted(folder: Path) -> None:
    for number in range(30):
        (folder / "records" / f"bad-{number}.json").write_text("{")
    done = run(folder)
    assert done.stderr.count("Left out: ") == 21
    assert "and 10 more" in done.stderr


def test_compare_and_report_say_the_same(folder: Path) -> None:
    from rich.console import Console

    from tsprompt.report import comparison_tables, load_results, make_report, summarise

    results = load_results(folder)
    report = make_report(results)
    by_compare = summarise(results.records).set_index(["dataset", "method"])["accuracy"]
    by_report = report.summary.set_index(["dataset", "method"])["accuracy"]
    pd.testing.assert_series_equal(by_compare.sort_index(), by_report.sort_index())
    with Console(file=io.StringIO()) as console:
        console.print(*comparison_tables(report.summary))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--against", "bakeoff"), "give published"),
        (("--against", "published:ROCKET,HC9"), "no published results are called 'HC9'"),
        (("--reference", "nobody"), "no method is called 'nobody'"),
        (("--html", "."), "is a folder"),
    ],
)
def test_mistakes_exit_2(folder: Path, args: tuple[str, ...], said: str) -> None:
    done = run(folder, *args)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.output


def test_no_results_exit_2(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        done = run(folder)
        assert done.exit_code == 2
        assert str(folder) in done.stderr.replace("\n", "")


def test_all_runs_go_into_one_file_that_is_read_again(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "packed.json"
    first, again = run(folder, "--pack", file), run(file, "--reference", "shared")
    assert first.exit_code == again.exit_code == 0
    assert "Wrote" in first.stderr
    assert "36 runs of 3 methods on 6 sets" in again.stdout
    assert "± standard error" in again.stdout


@pytest.mark.parametrize("option", ["--json", "--pack"])
def test_the_file_that_is_read_is_not_overwritten(
    folder: Path, tmp_path: Path, option: str
) -> None:
    packed = tmp_path / "runs.json"
    assert run(folder, "--pack", packed).exit_code == 0
    kept = packed.read_bytes()
    done = run(packed, option, packed)
    assert done.exit_code == 2
    assert f"give another name as {option}" in " ".join(done.stderr.split())
    assert packed.read_bytes() == kept
