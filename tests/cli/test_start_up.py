"""What a command must not import: the seconds before its first word go there."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer.main

from tsprompt import PromptClassifier
from tsprompt.base.kinds import SETTINGS
from tsprompt_cli import catalogue, commands
from tsprompt_cli.main import app

CODE = """
import sys
from tsprompt_cli.main import app
code = app(sys.argv[2:], standalone_mode=False)
found = [one for one in sys.argv[1].split(",") if one in sys.modules]
print("imported:", *found, file=sys.stderr)
sys.exit(code)
"""
NEVER = (
    "transformers,tokenizers,sklearn,scipy,sktime,numba,matplotlib,statsmodels,"
    "jinja2,peft,networkx,sympy,torch._dynamo,torch.distributed.tensor"
)
"""What new cases need none of."""
READER = "pandas,pyarrow"
"""What reads a text that was never read before; afterwards its cases are kept."""

TIMES = [f"t{number}" for number in range(20)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    """A fitted model of a tiny BERT with the parts of the recipe `default`."""
    draw = np.random.default_rng(0)
    series = draw.normal(size=(8, 20, 1)).astype(np.float32)
    labels = np.array(["low", "high"] * 4)
    classifier = PromptClassifier(backbone=tiny_bert, n_prompts=2, random_state=0, device="cpu")
    columns = {"layout": "wide", "label": "label", "values": TIMES}
    folder = tmp_path_factory.mktemp("model") / "m"
    return classifier.fit(series, labels).save(folder, columns=columns)


def imported(never: str, *command: str) -> tuple[str, list[str]]:
    """What a command says in a new process, and which of these modules it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, never, *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    return done.stdout, last.removeprefix("imported:").split()


def test_a_prediction_needs_torch_and_no_other_heavy_library(model: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(3, 20))
    new = tmp_path / "new.csv"
    np.savetxt(new, rows, delimiter=",", header=",".join(TIMES), comments="")
    first, found = imported(NEVER, "predict", str(model), str(new))
    assert len(first.splitlines()) == 1 + 3
    assert found == []
    again, found = imported(f"{NEVER},{READER}", "predict", str(model), str(new))
    assert again == first
    assert found == []


@pytest.mark.parametrize("kind", ["heads", "recipes", "backbones", "baselines"])
def test_lists_need_no_heavy_library_at_all(kind: str) -> None:
    said, found = imported(f"torch,{READER},{NEVER}", "list", kind, "--format", "json")
    assert len(json.loads(said)["rows"]) > 2
    assert found == []


def test_a_run_imports_the_one_command_that_it_is() -> None:
    names = [one.name for one in pkgutil.iter_modules(commands.__path__)]
    modules = ",".join(f"{commands.__name__}.{name}" for name in names)
    _, found = imported(modules, "list", "heads")
    assert found == [f"{commands.__name__}.list"]
    known = typer.main.get_command(app)
    assert sorted(known.commands) == sorted(names)  # type: ignore[attr-defined]
    assert all(known.commands[name].name == name for name in names)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SETTINGS)
def test_sources_say_what_the_parts_say(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, docstrings, options with defaults and texts: read and imported, they are the same."""
    kind = SETTINGS[name]
    assert catalogue.read_parts(kind) is not None
    read = catalogue.explain_kind(kind)
    monkeypatch.setattr(catalogue, "read_parts", lambda kind: None)
    assert read == catalogue.explain_kind(kind)


def test_showing_a_model_needs_no_heavy_library_at_all(model: Path) -> None:
    for form in ("json", "table"):
        said, found = imported(f"torch,{READER},{NEVER}", "show", str(model), "--format", form)
        assert "[MASK]" in said
        assert found == []
