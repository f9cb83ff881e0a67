"""`tsprompt bench`, and the plans that it reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tsprompt.benchmark import Cell, Method, Plan, baseline, named_methods, plan_cells, read_plan
from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import ConfigError, TspromptNotice
from tsprompt.recipes import RECIPES
from tsprompt_datasets import expand_names, few_shot, load_cell, load_dataset

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_fork_server")]

PLAN = """
sets = ["UnitTest", "ItalyPowerDemand"]
seeds = 2
resamples = [0, 3]
shots = [5]

[methods.fast]
[methods."no LM"]
kind = "ablation"
recipe = "fast"
backbone = "none:minilm"
[methods.raw]
baseline = "ridge"
"""


def run(*args: str) -> Result:
    from tsprompt_cli.main import app

    return CliRunner().invoke(app, ["bench", *args])


# Plans


def test_a_plan_is_sets_methods_splits_and_seeds(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    plan = read_plan(tmp_path / "plan.toml")
    assert [one.name for one in plan.methods] == ["fast", "no LM", "raw"]
    assert [one.kind for one in plan.methods] == ["model", "ablation", "baseline"]
    assert plan.methods[1].resolved()["n_prompts"] == 2
    assert plan.shots == (5,)
    cells = plan.cells()
    assert len(cells) == 2 * 2 * 2 * 3
    assert {(one.resample, one.seed) for one in cells} == {(0, 0), (0, 1), (3, 3), (3, 4)}
    assert Plan.from_dict(json.loads(json.dumps(plan.as_dict()))) == plan


BESIDE = """
sets = ["UnitTest"]
ablations = ["random weights", "placebo", "no prompt"]

[methods.prompt-tuning]
[methods.hard-search]
[methods.default]
ablations = []
[methods."no prompt at the mask"]
kind = "ablation"
n_prompts = 1
prompt = "none"
readout = "mask"
[methods.raw]
baseline = "ridge"
"""


def test_a_line_of_a_plan_puts_twins_and_placebos_beside_each_method(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(BESIDE)
    made = {one.name: one for one in read_plan(tmp_path / "plan.toml").methods}
    assert [*made] == [
        *("prompt-tuning", "hard-search", "default", "no prompt at the mask", "raw"),
        # Without a prompt both are the row that the plan names itself.
        *("prompt-tuning, random weights", "prompt-tuning, placebo"),
        *("hard-search, random weights", "hard-search, placebo"),
    ]
    assert made["hard-search, random weights"].settings == {"backbone": "random:minilm"}
    assert made["prompt-tuning, placebo"].kind == "ablation"
    assert made["prompt-tuning, placebo"].resolved()["train"] == "prompt:placebo=True"


def test_ablations_by_names_alone(tmp_path: Path) -> None:
    text = 'sets = ["A"]\nablations = ["no prompt"]\nmethods = ["prompt-tuning", "hard-search"]'
    (tmp_path / "plan.toml").write_text(text)
    names = [one.name for one in read_plan(tmp_path / "plan.toml").methods]
    assert names == ["prompt-tuning", "hard-search", "prompt-tuning, no prompt"]


def test_the_plan_of_make_bench_small_is_one() -> None:
    plan = read_plan(Path(__file__).parents[2] / "benchmarks" / "small.toml")
    kinds = [one.kind for one in plan.methods]
    assert (kinds.count("model"), kinds.count("baseline")) == (4, 4)
    assert len(plan.on(expand_names(plan.sets)).cells()) == 8 * (2 * 6 + 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sets = [", "is no plan"),
        ("set = ['A']", "did you mean sets"),
        ("sets = 'A'", "sets is a list"),
        ("methods = ['default']", "names no set"),
        ("sets = ['A']\nmethods = []", "names no method"),
        ("sets = ['A']\nmethods = ['defualt']", "did you mean default"),
        ("sets = ['A']\nmethods = ['ridge', 'ridge']", "two methods"),
        ("sets = ['A']\nseeds = 0", "seeds: 0 is no whole number of 1 or more"),
        ("sets = ['A']\nresamples = [-1]", "resamples: -1"),
        ("sets = ['A']\nshots = [-1]", "shots: -1"),
        ("sets = ['A']\n[methods]\na = 3", "methods.a is a table"),
        ("sets = ['A']\n[methods.a]\nkind = 'baseline'", "kind is model or ablation"),
        ("sets = ['A']\n[methods.a]\nheads = 'mlp'", "heads"),
        ("sets = ['A']\nablations = 'placebo'\nmethods = ['fast']", "ablations is a list"),
        ("sets = ['A']\nablations = ['plazebo']\n[methods.fast]", "did you mean placebo"),
        ("sets = ['A']\n[methods.fast]\nablations = ['twin']", "no ablation is called 'twin'"),
        ("sets = ['A']\n[methods.a]\nbaseline = 'ridge'\nhead = 'mlp'", "no other choices"),
    ],
)
def test_what_is_wrong_in_a_plan_is_said(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_plan(tmp_path / "plan.toml")


def test_recipes_meet_strategies_and_one_is_ablated() -> None:
    names = [
        one.name
        for one in named_methods(
            ["default", "original", "ridge"], ["shared", "per-step"], ablations=True
        )
    ]
    assert names == [
        "shared",
        "per-step",
        "shared, no LM",
        "shared, random weights",
        "shared, shuffled weights",
        "shared, no prompt",
        "original",
        "ridge on raw values",
    ]


def test_a_layout_of_its_own_is_said_by_the_recipe_and_not_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, usual = RECIPES["original"], RECIPES["default"]
    monkeypatch.setitem(RECIPES, "fixed", replace(own, name="fixed"))
    monkeypatch.setitem(RECIPES, "originals-kin", replace(usual, name="originals-kin"))
    methods = named_methods(["fixed", "originals-kin"], ["shared", "per-step"])
    assert [one.name for one in methods] == [
        "fixed",
        "originals-kin, shared",
        "originals-kin, per-step",
    ]


def test_the_first_runs_pair_splits_with_seeds() -> None:
    methods = [Method("m", "model"), baseline("ridge")]
    cells = plan_cells(["A"], methods, 2, resamples=[0, 4], shots=[None, 3])
    assert [(one.method.name, one.resample, one.seed, one.shots) for one in cells[:4]] == [
        ("m", 0, 0, None),
        ("ridge on raw values", 0, 0, None),
        ("m", 0, 1, None),
        ("m", 0, 0, 3),
    ]
    assert Cell("A", methods[1], 5, 4, 3) in cells  # another seed draws other shots


# Data of cells


def test_few_shots_keep_as_many_of_each_class_and_leave_test_alone() -> None:
    data = load_dataset("GunPoint")
    few = few_shot(data, 4, seed=1)
    assert sorted(few.train.labels) == ["1"] * 4 + ["2"] * 4
    assert few.test is data.test
    assert few_shot(data, 4, seed=1).train.labels.tolist() == few.train.labels.tolist()
    first, again, other = (few_shot(data, 4, seed=seed).train.cases[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_class_with_fewer_cases_keeps_all_of_them() -> None:
    split = Split(Cases(np.zeros((5, 8, 1), np.float32)), np.array(["a", "a", "a", "b", "b"]))
    with pytest.warns(TspromptNotice, match=r"fewer than 3 cases of train in: b \(2\)"):
        few = few_shot(Dataset("X", split, split, "data-dir", {}), 3, 0)
    assert few.train.labels.tolist() == ["a", "a", "a", "b", "b"]


def test_the_data_of_a_cell_is_its_split_with_its_shots() -> None:
    cell = Cell("GunPoint", Method("m", "model"), seed=2, resample=2, shots=3)
    data = load_cell(cell)
    assert len(data.train) == 6
    assert len(data.test) == 150
    assert load_cell(Cell("GunPoint", cell.method, 2, 0)).train.labels.size == 50


def test_groups_are_names() -> None:
    assert len(expand_names(["ucr-small", "GunPoint"])) == 8
    assert len(expand_names(["ucr112"])) == 112
    assert len(expand_names(["uea26"])) == 26
    assert "GunPoint" in expand_names(["all"])
    assert expand_names(["A", "B", "A"]) == ["A", "B"]


# The command


def test_bench_runs_resumes_and_tells_its_status(tmp_path: Path, tiny_bert: str) -> None:
    results = str(tmp_path / "results")
    asked = ("UnitTest", "--methods", "fast,ridge", "--seeds", "2", "--backbone", tiny_bert)
    machine = ("--device", "cpu", "--dtype", "float32", "--jobs", "1")
    first = run("run", *asked, *machine, "-r", results)
    assert first.exit_code == 0, first.output
    assert "3 of 3: " in first.stderr
    assert "Done: 3 of 3 runs" in first.stderr
    again = run("run", *machine, "-r", results)
    assert again.exit_code == 0, again.output
    assert "Found: 3 of 3 runs are done already" in again.stderr
    rows = json.loads(run("status", results, "--format", "json").stdout)["rows"]
    assert [(row["method"], row["done"], row["left"]) for row in rows] == [
        ("fast", 2, 0),
        ("ridge on raw values", 1, 0),
    ]
    assert "fast" in run("status", results).stdout


def test_a_run_that_fails_exits_1(tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    # The language model reads 512 tokens at the most.
    asked = ("UnitTest", "--methods", "fast,ridge", "--prompt", "hard:length=600")
    result = run("run", *asked, "-r", results, "--jobs", "1")
    assert result.exit_code == 1
    assert "Failed: UnitTest, fast, seed 0: " in result.stderr
    assert "1 of 2 runs" in result.stderr
    status = run("status", results)
    assert "Failed: UnitTest, fast, seed 0: " in status.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "has no plan yet"),
        (("plan.toml",), "is no plan"),
        (("--seeds", "2"), "give the names of sets"),
        (("GunPont",), "did you mean GunPoint"),
        (("UnitTest", "--methods", "rokcet"), "no recipe or baseline"),
        (("UnitTest", "--resamples", "x"), "no whole number"),
        (("UnitTest", "--gpus", "1"), "--backend"),
        (("UnitTest", "--head", "rige"), "did you mean ridge"),
    ],
)
def test_what_cannot_be_run_is_refused_at_the_start(
    args: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    result = run("run", *args, "-r", str(tmp_path / "results"))
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "results").exists()


def test_status_of_a_folder_without_a_plan(tmp_path: Path) -> None:
    result = run("status", str(tmp_path))
    assert result.exit_code == 2
    assert "has no plan" in result.stderr


def test_help_has_three_panels() -> None:
    said: Any = run("run", "--help").stdout
    for panel in ("What is run", "How it is run", "What the model is made of"):
        assert panel in said


def test_a_packed_run_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    from tsprompt_cli.commands.bench import _packed

    always = {"kind": "model", "resample": 0, "status": "ok", "accuracy": 0.5}
    own = {"always": always, "columns": ["dataset", "seed"], "runs": [["A", 0], ["B", "blue"]]}
    packed = tmp_path / "packed.json"
    packed.write_text(json.dumps({"versions": {}, "methods": {"x": own}}))
    with pytest.warns(TspromptNotice, match="run 2 of x is not taken"):
        assert [one.dataset for one in _packed(packed)] == ["A"]
