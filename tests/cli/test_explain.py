"""`tsprompt explain`: what it prints, and how it says no."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, list(args))


@pytest.fixture(scope="module")
def model(tiny_bert: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    from tsprompt import PromptClassifier
    from tsprompt_datasets import load_dataset

    data = load_dataset("UnitTest")
    fitted = PromptClassifier(
        "fast", backbone=tiny_bert, n_prompts=1, device="cpu", dtype="float32", random_state=0
    ).fit(data.train.cases, data.train.labels)
    folder = tmp_path_factory.mktemp("explain") / "model"
    details = {"dataset": data.name, "source": data.source, "data_sha256": dict(data.sha256)}
    return str(fitted.save(Path(folder), **details))


def test_the_terminal_shows_blocks_marks_and_neighbours(model: str) -> None:
    result = run("explain", model, "UnitTest", "--case", "2", "--method", "ablation")
    assert result.exit_code == 0, result.stderr
    assert "case 2: " in result.stdout
    assert any(one in result.stdout for one in "▁▂▃▄▅▆▇█")
    assert "+ for, - against; ablation" in result.stdout
    assert result.stdout.count("near: train case") == 6


def test_json_and_csv_hold_all_cases(model: str) -> None:
    result = run("explain", model, "UnitTest", "--method", "exact", "--format", "json")
    cases = json.loads(result.stdout)["cases"]
    assert [one["case"] for one in cases] == list(range(1, len(cases) + 1))
    assert all(abs(one["rest"]) < 1e-3 for one in cases)
    table = run("explain", model, "UnitTest", "--method", "exact", "--format", "csv").stdout
    assert table.startswith("case,id,predicted,runner_up,score,start,stop,feature,share\n")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--case", "nobody"), "there is no case 'nobody'"),
        (("--method", "shaply"), "did you mean shapley"),
        (("--train", "Unittes"), "Unittes"),
    ],
)
def test_what_can_not_be_explained_is_refused(model: str, args: tuple[str, ...], text: str) -> None:
    result = run("explain", model, "UnitTest", *args)
    assert result.exit_code == 2
    assert text in result.stderr
    assert "Traceback" not in result.output


def test_over_all_cases_each_class_has_its_shares(model: str, tmp_path: Path) -> None:
    result = run("explain", model, "UnitTest", "--global", "--method", "exact", "--format", "json")
    classes = json.loads(result.stdout)["classes"]
    assert sum(one["cases"] for one in classes) == 22
    assert all(one["size"] >= abs(one["share"]) for each in classes for one in each["stretches"])
    page = tmp_path / "page.html"
    shown = run("explain", model, "UnitTest", "--global", "--method", "exact", "--html", str(page))
    assert shown.exit_code == 0, shown.stderr
    assert "part of the series" in shown.stdout
    text = page.read_text(encoding="utf-8")
    assert "Over all cases, by class" in text
    assert (
        text.count("<svg") == 2 + 20 * 7
    )  # of classes; of the first cases, each with six that are near


def test_an_ending_that_is_no_page_is_refused(model: str, tmp_path: Path) -> None:
    result = run("explain", model, "UnitTest", "--html", str(tmp_path / "page.csv"))
    assert result.exit_code == 2
    assert not (tmp_path / "page.csv").exists()


def test_what_is_done_when_the_user_stops_is_shown(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt.explanations import Explainer

    real = Explainer._batch
    asked = []

    def batch(self: Explainer, *args: object) -> object:
        asked.append(1)
        if len(asked) > 1:
            raise KeyboardInterrupt
        return real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Explainer, "_batch", batch)
    result = run("explain", model, "UnitTest", "--method", "exact", "--format", "json")
    assert len(json.loads(result.stdout)["cases"]) == 8
    assert result.exit_code == 130
    assert "8 of 22 cases are explained" in result.stderr


def test_train_of_ones_own_is_found_while_it_is_the_same(cheap: list[str], home: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [[*rng.normal(i % 2, 1, 12).round(3), "ab"[i % 2]] for i in range(20)]
    lines = [",".join(map(str, one)) for one in [[*map(str, range(12)), "label"], *rows]]
    data = home / "data"
    data.mkdir()
    (data / "mine.csv").write_text("\n".join(lines))
    (data / "new.csv").write_text("\n".join(lines[:3]))
    assert run("fit", str(data / "mine.csv"), *cheap, "--no-ablations", "-o", "m").exit_code == 0
    short = ["--method", "exact", "--case", "1"]
    for source in ("new.csv", "mine.csv"):
        shown = run("explain", "m", str(data / source), *short)
        assert shown.exit_code == 0, shown.stderr
        assert shown.stdout.count("near: train case") == 6
        assert "nearest" not in shown.stderr
    (data / "mine.csv").write_text("\n".join(lines[:-1]))
    shown = run("explain", "m", str(data / "new.csv"), *short)
    assert "near:" not in shown.stdout
    assert "mine.csv is not the file that the model was fitted on" in shown.stderr
    (data / "mine.csv").unlink()
    shown = run("explain", "m", str(data / "new.csv"), *short)
    assert "train (mine.csv) is not at hand; give it with --train" in shown.stderr
