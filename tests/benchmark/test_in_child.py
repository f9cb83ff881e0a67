"""What a run of a benchmark imports: all that takes long before the fork, and nothing after it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tsprompt.benchmark import Cell, Machine, Method
from tsprompt.benchmark.in_child import task_of

pytestmark = pytest.mark.slow

DEAR = {"jinja2", "peft", "sympy", "transformers"}
"""Packages that take from a tenth of a second to two to import."""
SCRIPT = """
import json, sys
from tsprompt.benchmark.in_child import perform, warm
task = json.loads(sys.stdin.read())
warm(task)
before = {one.partition(".")[0] for one in sys.modules}
perform(task)
after = {one.partition(".")[0] for one in sys.modules}
print(json.dumps([sorted(before), sorted(after)]))
"""


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [("fast", {}), ("prompt-tuning", {"tuner": "gradient:epochs=2"}), ("fast", {"head": "mlp"})],
)
def test_a_run_imports_nothing_dear(
    recipe: str, settings: dict[str, Any], tiny_bert: str, tmp_path: Path
) -> None:
    settings = {"backbone": tiny_bert, "tokenizer": "kernels:steps=3", **settings}
    cell = Cell("A", Method("mine", "model", recipe, settings), 0)
    task = task_of(
        cell,
        Machine("cpu", "float32"),
        "bench_loader:load",
        {"log": str(tmp_path / "log"), "seconds": 0.0},
    )
    files = {
        "record": str(tmp_path / "record.json"),
        "results": str(tmp_path),
        "predictions": "p.csv",
    }
    task |= {**files, "threads": 1, "environment": {}}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=True,
    )
    before, after = map(set, json.loads(ended.stdout.splitlines()[-1]))
    assert json.loads((tmp_path / "record.json").read_text())["status"] == "ok"
    assert not (after - before) & DEAR
    assert recipe != "fast" or settings.get("head") == "mlp" or "transformers" not in after
