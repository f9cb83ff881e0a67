"""What the docs tell a newcomer to do is done: commands, the notebook, a part in a package.

Language models are the tests' tiny one, so that this is quick; the words are the pages' own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NOTEBOOK = ROOT / "docs" / "start" / "quickstart.ipynb"


def commands(page: Path) -> list[list[str]]:
    """The arguments of each `tsprompt` command on a page."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.removeprefix("$ ") for one in blocks for line in joined(one)]
    return [shlex.split(one, comments=True)[1:] for one in lines if one.startswith("tsprompt ")]


def joined(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def in_a_process(*args: str, cwd: Path, path: Path) -> str:
    """What the command prints where a folder more is searched for packages."""
    environment = {**os.environ, "PYTHONPATH": str(path), "COLUMNS": "200"}
    program = "from tsprompt_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *args],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "cli.md" and commands(page)],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_every_command_of_the_docs_is_understood(page: Path) -> None:
    import typer.main
    from typer import Exit

    from tsprompt_cli.main import app

    def parse(command: Any, args: list[str], parent: Any = None) -> None:
        context = command.make_context(command.name or "tsprompt", args, parent=parent)
        rest = [*context._protected_args, *context.args]
        if rest and hasattr(command, "resolve_command"):
            _, inner, rest = command.resolve_command(context, rest)
            parse(inner, rest, context)

    for args in commands(page):
        with suppress(Exit):  # --version is done when it is read
            parse(typer.main.get_command(app), list(args))


@pytest.mark.slow
def test_the_first_fit_goes_as_its_page_says(
    tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from tsprompt_cli.main import app

    monkeypatch.chdir(tmp_path)
    for args in commands(ROOT / "docs" / "start" / "first-fit.md"):
        if args[0] == "compare":  # 20 fits: tests/cli/test_compare.py has smaller ones
            continue
        small = ["--backbone", tiny_bert] if args[0] == "fit" else []
        result = CliRunner().invoke(app, [*args, *small])
        assert result.exit_code == 0, (args, result.output)


@pytest.mark.slow
def test_the_tools_of_scikit_learn_work_as_their_page_says(tiny_bert: str) -> None:
    text = (ROOT / "docs" / "guides" / "scikit-learn.md").read_text(encoding="utf-8")
    small = f'"fast", backbone={tiny_bert!r}, tokenizer="kernels:steps=4", n_prompts=1'
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block.replace('"fast"', small), "scikit-learn.md", "exec"), names)
    assert names["logs"].shape == (150, 2)
    assert names["names"].shape == names["features"].shape[1:]
    assert names["sets"].shape == (75, 2)
    assert names["calibrated"].score(names["X_test"], names["y_test"]) > 0.5
    assert 0 < names["tuned"].best_threshold_ < 1
    assert names["stack"].score(names["X_test"], names["y_test"]) > 0.8
    assert names["found"].importances_mean.shape == (150,)
    assert names["held_out"].shape == (50, 2)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in code_cells():
        exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    assert names["model"].score(names["X_test"], names["y_test"]) > 0.9
    assert (tmp_path / "models" / "quickstart" / "model.json").exists()


def test_the_notebook_is_stripped_of_outputs() -> None:
    for cell in code_cells():
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


def code_cells() -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_a_part_is_added_as_its_page_says(tiny_bert: str, tmp_path: Path) -> None:
    page = ROOT / "docs" / "guides" / "adding-a-part.md"
    text = page.read_text(encoding="utf-8")
    package = tmp_path / "tsprompt-trends"
    package.mkdir()
    for file, language in (("tsprompt_trends.py", "python"), ("pyproject.toml", "toml")):
        [block] = re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
        (package / file).write_text(block, encoding="utf-8")
    site = tmp_path / "site"
    install = ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(site)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *install, str(package)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)

    listed, fitted = commands(page)
    table = in_a_process(*listed, cwd=tmp_path, path=site)
    assert re.search(r"^trends +Say of each step .* +tsprompt-trends 1\.0$", table, re.MULTILINE)
    done = in_a_process(*fitted, "--backbone", tiny_bert, cwd=tmp_path, path=site)
    assert "models/ItalyPowerDemand-shared" in done
    saved = (tmp_path / "models" / "ItalyPowerDemand-shared" / "model.json").read_text()
    assert re.search(r'"trends:[^"]*still=0.1', saved)
