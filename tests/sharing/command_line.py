"""The command, in this process or in one of its own, and what most of its tests start from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

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


@pytest.fixture(scope="session")
def cheap(tiny_bert: str) -> list[str]:
    """Options under which a fit takes a blink."""
    options = {"backbone": tiny_bert, "n-prompts": "1", "device": "cpu", "dtype": "float32"}
    return ["--tokenizer", "kernels:steps=4"] + [
        word for name, value in options.items() for word in (f"--{name}", value)
    ]


@pytest.fixture(scope="session")
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
