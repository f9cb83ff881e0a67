"""Comparisons: the plan, the runs, their records, and the command around them."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tsprompt.base.files import write_whole
from tsprompt.baselines.ridge import Ridge as RidgeBaseline
from tsprompt.benchmark import (
    Cell,
    Machine,
    Method,
    Record,
    baseline,
    cell_name,
    plan_cells,
    plan_methods,
    read_record,
    run_cells,
    twins,
)
from tsprompt.benchmark.plan import ablations_of
from tsprompt.classifier import PromptClassifier
from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import ConfigError, ModelFileError, TspromptError, TspromptNotice
from tsprompt.heads.ridge import Ridge
from tsprompt.prompts.none import NoPrompt

RAW_RIDGE = baseline("ridge")
MACHINE = Machine(device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def dataset(separable: Any) -> Dataset:
    train = Split(Cases(separable.X), separable.y)
    test = Split(Cases(separable.X_test), separable.y_test)
    return Dataset("Waves", train, test, "data-dir", {"Waves_TRAIN.ts": "abc"})


@pytest.fixture(scope="module")
def settings(tiny_bert: str) -> dict[str, Any]:
    return {"backbone": tiny_bert, "n_prompts": 1, "tokenizer": "kernels:steps=3"}


@pytest.fixture
def options(settings: dict[str, Any]) -> list[str]:
    words = [w for key, v in settings.items() for w in (f"--{key.replace('_', '-')}", str(v))]
    return [*words, "--device", "cpu", "--dtype", "float32"]


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, ["compare", *args])


# The plan


def test_methods_are_strategies_ablations_of_one_and_a_baseline() -> None:
    methods = plan_methods(["shared", "per-step"], settings={"n_prompts": 1}, ablated="per-step")
    assert [method.name for method in methods] == [
        "shared",
        "per-step",
        "per-step, no LM",
        "per-step, random weights",
        "per-step, shuffled weights",
        "per-step, no prompt",
        "ridge on raw values",
    ]
    assert [method.settings.get("backbone") for method in methods[2:5]] == [
        "none:minilm",
        "random:minilm",
        "shuffled:minilm",
    ]
    assert all(method.settings["n_prompts"] == 1 for method in methods[:-1])


def test_ablations_that_are_the_model_itself_are_left_out() -> None:
    names = [one.name for one in plan_methods(["shared"], settings={"backbone": "none"})]
    assert "shared, no LM" not in names
    names = [one.name for one in plan_methods(["shared"], settings={"prompt": "none"})]
    assert "shared, no prompt" not in names
    names = [one.name for one in plan_methods(["shared"], settings={"prompt": NoPrompt()})]
    assert "shared, no prompt" not in names
    assert len(plan_methods(["shared"], ablations=False)) == 2


@pytest.mark.parametrize(
    ("choices", "reads_data"),
    [
        ({"readout": "mask"}, False),
        ({"readout": "words", "context": "colours:words=a+b+c+d"}, False),
        ({"readout": "pooled:pools=mask,maybe=none"}, False),
        ({"scope": "step"}, False),
        ({"readout": "pooled:pools=mask"}, True),
        ({}, True),
    ],
)
def test_no_lm_is_left_out_where_it_would_take_the_data_away_too(
    choices: dict[str, Any], reads_data: bool, settings: dict[str, Any], separable: Any
) -> None:
    """Without layers the mask is its bare embedding: what reads it alone is a constant."""
    bare = PromptClassifier(
        **{**settings, **choices, "backbone": f"none:{settings['backbone']}"},
        device="cpu",
        random_state=0,
    )
    chances = bare.fit(separable.X, separable.y).predict_proba(separable.X_test)
    assert (np.ptp(chances, axis=0) > 1e-6).any() == reads_data

    method = Method("m", "model", settings={**settings, **choices})

    def said() -> Any:
        left_out = "'no LM' is left out"
        return nullcontext() if reads_data else pytest.warns(TspromptNotice, match=left_out)

    with said():
        names = [one.name for one in twins(method, settings["backbone"])]
    assert names == ["no LM"] * reads_data + ["random weights"]
    with said():
        names = [one.name for one in ablations_of(method)]
    assert ("m, no LM" in names) == reads_data
    assert "m, random weights" in names


def test_no_prompt_needs_no_search() -> None:
    with pytest.warns(TspromptNotice, match="'no LM' is left out"):
        methods = plan_methods(["shared"], "original", {"backbone": "minilm"})
    method = next(one for one in methods if "no prompt" in one.name)
    assert method.resolved()["tuner"] == "none"


def test_twins_leave_out_the_model_itself() -> None:
    model = Method("m", "model")
    assert [one.name for one in twins(model, "minilm")] == ["no LM", "random weights"]
    assert [one.name for one in twins(model, "random:minilm")] == ["no LM"]
    assert [one.name for one in twins(model, "none")] == ["random weights"]


def test_what_no_seed_changes_is_run_once() -> None:
    methods = plan_methods(["shared"], ablations=False)
    cells = plan_cells(["A", "B", "A"], methods, 3)
    assert len(cells) == 2 * (3 + 1)
    assert {cell.resample for cell in cells} == {0}
    cells = plan_cells(["A"], methods, resamples=range(3))
    assert [cell.resample for cell in cells if cell.method == RAW_RIDGE] == [0, 1, 2]


# Runs and records


def test_a_run_leaves_a_record(dataset: Dataset, settings: dict[str, Any], tmp_path: Path) -> None:
    cell = Cell("Waves", Method("shared", "model", settings=settings), seed=3)
    [record] = run_cells([cell], lambda *_: dataset, MACHINE, tmp_path)
    assert record.ok
    assert record.accuracy == pytest.approx(1.0)
    assert record.n_train == 24
    assert record.settings["strategy"] == "shared"
    assert record.fit_tokens > record.predict_tokens > 0
    assert len(record.weights_hash) == 64
    assert record.versions["tsprompt"]
    [file] = tmp_path.iterdir()
    assert read_record(file) == record


def test_what_is_finished_is_not_run_again(
    dataset: Dataset, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = plan_cells(["Waves"], plan_methods(["shared"], settings=settings, ablations=False), 2)
    first = next(run_cells(cells, lambda *_: dataset, MACHINE, tmp_path))
    fitted = []
    real = RidgeBaseline.fit
    monkeypatch.setattr(
        RidgeBaseline, "fit", lambda self, X, y: fitted.append(1) or real(self, X, y)
    )
    again = list(run_cells(cells, lambda *_: dataset, MACHINE, tmp_path))
    assert again[0] == first
    assert fitted == [1]
    assert list(run_cells(cells, lambda *_: dataset, MACHINE, tmp_path)) == again
    assert fitted == [1]


def test_another_run_has_another_record(dataset: Dataset, settings: dict[str, Any]) -> None:
    def name(seed: int = 0, machine: Machine = MACHINE, **more: Any) -> str:
        method = Method("shared", "model", settings={**settings, **more})
        return cell_name(Cell("Waves", method, seed), machine, dataset.sha256)

    names = [name(), name(1), name(n_prompts=2), name(machine=Machine("cuda")), name()]
    assert len(set(names)) == 4
    assert names[0] == names[-1]


def test_a_default_that_has_changed_makes_another_record(
    dataset: Dataset, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = Cell("Waves", Method("shared", "model", settings={**settings, "head": "ridge"}), 0)
    before = cell_name(cell, MACHINE)
    defaults = (-2.0, *Ridge.__init__.__defaults__[1:])  # type: ignore[index]
    monkeypatch.setattr(Ridge.__init__, "__defaults__", defaults)
    assert cell_name(cell, MACHINE) != before


def test_a_failed_run_is_a_record_and_is_tried_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [Cell("Waves", RAW_RIDGE, 0)]

    def bug(*_: Any) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(RidgeBaseline, "fit", bug)
        [record] = run_cells(cells, lambda *_: dataset, records=tmp_path)
    assert record.error == "RuntimeError: a bug"
    assert "in bug" in record.traceback
    assert record.accuracy is None
    [record] = run_cells(cells, lambda *_: dataset, records=tmp_path)
    assert record.ok


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"unknown": 1}'):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(ModelFileError, match="delete it"):
            read_record(tmp_path / "a.json")


def test_files_are_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_whole(tmp_path / "new/a.txt", "old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(TspromptError, match="No space left"):
        write_whole(file, "new")
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("kind", ["separable", "ragged", "gappy"])
@pytest.mark.filterwarnings("ignore::tsprompt.TspromptNotice")
def test_the_baseline_takes_every_kind_of_series(kind: str, request: pytest.FixtureRequest) -> None:
    problem = request.getfixturevalue(kind)
    ridge = RidgeBaseline().fit(problem.X, problem.y)
    assert np.mean(ridge.predict(problem.X_test) == problem.y_test) > 0.9
    assert ridge.n_parameters == 3 * 41


# The command


def test_compare_prints_tables(options: list[str], tmp_path: Path) -> None:
    records = tmp_path / "records"
    first = run(
        *("UnitTest", "ItalyPowerDemand", *options, "--strategies", "shared,autoencoder:epochs=1"),
        *("--seeds", "2", "--records", str(records)),
    )
    assert first.exit_code == 0, first.output
    for said in (
        "UnitTest",
        "Overall, 2 sets",
        "autoencoder:epochs=1",
        "shared, shuffled weights",
        "shared, no prompt",
        "ridge on raw values",
        " ± ",
        "rank",
        "tokens",
        "means over 2 seeds",
        "What each part of shared adds",
        "language model",
        "No difference can be significant with so few sets",
    ):
        assert said in first.stdout
    assert "26 of 26: ItalyPowerDemand" in first.stderr
    assert len(list(records.iterdir())) == 26


def test_compare_writes_for_machines(options: list[str], tmp_path: Path) -> None:
    args = ("UnitTest", *options, "--strategies", "shared", "--no-ablations")
    out = json.loads(run(*args, "--format", "json").stdout)
    assert [row["method"] for row in out["rows"]] == ["shared", "ridge on raw values"] * 2
    assert [row["dataset"] for row in out["rows"][::2]] == ["UnitTest", "overall"]
    first = out["rows"][0]
    assert first["accuracy_low"] < first["accuracy"] <= first["accuracy_high"]
    assert out["rows"][2]["accuracy_low"] is None
    assert out["records"][0]["settings"]["n_prompts"] == 1
    result = run(*args, "-o", str(tmp_path / "table.md"))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert (tmp_path / "table.md").read_text().startswith("| dataset | method |")


def test_compare_resamples(options: list[str]) -> None:
    args = ("UnitTest", *options, "--strategies", "shared", "--no-ablations", "--seeds", "2")
    records = json.loads(run(*args, "--new-splits", "--format", "json").stdout)["records"]
    ridge = [record for record in records if record["kind"] == "baseline"]
    assert [record["resample"] for record in ridge] == [0, 1]


def test_a_failed_run_exits_1_and_the_others_go_on(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RidgeBaseline, "predict_proba", lambda *_: 1 / 0)
    result = run("UnitTest", *options, "--strategies", "shared", "--no-ablations")
    assert result.exit_code == 1
    assert "failed" in result.stdout
    assert "Failed: UnitTest, ridge on raw values, seed 0: ZeroDivisionError" in result.stderr
    assert " 0." in result.stdout


def test_ctrl_c_keeps_what_is_finished(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    args = ("UnitTest", *options, "--strategies", "shared", "--no-ablations")
    with monkeypatch.context() as patched:
        patched.setattr(RidgeBaseline, "fit", stop)
        lost = run(*args)
        kept = run(*args, "--records", str(tmp_path))
    assert (lost.exit_code, kept.exit_code) == (130, 130)
    assert "1 of 2 runs are lost; --records DIR keeps them" in lost.stderr
    assert "the same command goes on from there" in kept.stderr
    [file] = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    assert run(*args, "--records", str(tmp_path)).exit_code == 0
    assert file.stat().st_mtime_ns == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("shared,per-step", ["shared", "per-step"]),
        (
            "autoencoder:latent=8,epochs=2, shared",
            ["autoencoder:latent=8,epochs=2", "shared"],
        ),
        ("shared,autoencoder:latent=8", ["shared", "autoencoder:latent=8"]),
    ],
)
def test_specs_are_split_at_names(text: str, specs: list[str]) -> None:
    from tsprompt.base.spec import split_specs

    assert split_specs(text) == specs


def test_a_record_names_what_it_lacks() -> None:
    record = Record("A", "m", "model", 0, 0, "failed", error="no")
    assert record.as_dict()["accuracy"] is None


def test_only_a_strategy_that_is_compared_is_ablated() -> None:
    with pytest.raises(ConfigError, match=r"'perstep' is none of the strategies.*mean per-step"):
        plan_methods(["shared", "per-step"], ablated="perstep")
