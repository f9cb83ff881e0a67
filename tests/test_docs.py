"""The docs say what the code does: the reference is fresh, links lead somewhere, examples run.

After a change of the command line, or of what Python imports: ``make docs``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt.baselines import baselines
from tsprompt.combinations import combinations
from tsprompt.contexts import contexts
from tsprompt.heads import heads
from tsprompt.prompts import prompts
from tsprompt.readouts import readouts
from tsprompt.recipes import RECIPES
from tsprompt.recipes.discrete import DISCRETE
from tsprompt.recipes.soft import SOFT
from tsprompt.recipes.transfer import TRANSFER
from tsprompt.regimes import regimes
from tsprompt.strategies import strategies
from tsprompt.tokenizers import tokenizers
from tsprompt.tuners import tuners

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("name", ["cli", "python"])
def test_the_reference_is_fresh(name: str, tmp_path: Path) -> None:
    out = tmp_path / f"{name}.md"
    command = [sys.executable, str(ROOT / "docs" / f"make_{name}.py"), str(out)]
    subprocess.run(command, check=True, capture_output=True)
    written = (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")
    assert out.read_text(encoding="utf-8") == written, "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"(?:\]\(|(?:src|srcset|href)=\")([^)\"]+)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        linked = (page.parent / file) if file else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            heads_ = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", one).lower().replace(" ", "-") for one in heads_}
            assert anchor in slugs, f"{page.name} links to {target}"


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("methods/tokenizers.md", tokenizers),
        ("methods/strategies.md", strategies),
        ("methods/prompts.md", [*prompts, *tuners]),
        ("methods/heads.md", [*heads, *readouts]),
        ("methods/verbalizers.md", [name for name in heads if heads[name].reads_mask]),
        ("methods/discrete-prompts.md", [recipe.name for recipe in DISCRETE]),
        ("methods/recipes.md", RECIPES),
        ("methods/regimes.md", regimes),
        ("methods/soft-prompts.md", [one.name for one in SOFT if one.settings.prompt != "manual"]),
        ("methods/manual.md", ["manual"]),
        ("methods/in-context.md", contexts),
        ("methods/transfer.md", [one.name for one in TRANSFER]),
        ("methods/baselines.md", baselines),
        ("methods/combinations.md", combinations),
    ],
)
def test_every_registered_part_is_documented(page: str, names: Iterable[str]) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name in names:
        assert f"`{name}`" in text, f"docs/{page} says nothing of {name}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    ["README.md", "docs/guides/python.md", "docs/guides/datasets.md", "docs/methods/baselines.md"],
)
def test_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b"], 9)
    X = rng.normal(size=(18, 24, 2)) + (y == "a")[:, None, None] * np.sin(np.arange(24))[:, None]
    names: dict[str, Any] = {"X": X, "y": y, "X_new": X[:4], "y_new": y[:4]}
    for block in blocks(page, "python"):
        if "tsprompt.sktime" not in block:
            exec(compile(block, page, "exec"), names)
    assert "model" in names or "gunpoint" in names


def test_readme_gives_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [block] = re.findall(r"## Two commands\n\n```bash\n(.*?)```", text, flags=re.DOTALL)
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert commands == ["make demo", "make test"]


def test_commands_of_make_exist() -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.M):
            assert re.search(rf"^{target}:", rules, re.M), f"{page.name}: make {target}"


OF_THEIR_DAY = ("CHANGELOG.md", "decisions")
"""Pages that may name files which are no more."""
TO_BE_WRITTEN = {"tsprompt/tokenizers/trends.py"}
"""Files that a page tells its reader to make."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_pages_name_exist(page: Path) -> None:
    if {page.name, page.parent.name} & set(OF_THEIR_DAY):
        return
    named = r"(?<![\w/.-])((?:tsprompt|cli|datasets|tests|docs|benchmarks)/[\w/.-]*\w/?)"
    for name in set(re.findall(named, page.read_text(encoding="utf-8"))) - TO_BE_WRITTEN:
        if "NAME" not in name:  # which stands for any
            assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_the_floors_are_those_that_imports_keep_to() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [one["layers"] for one in contracts if one["type"] == "layers"]
    text = (ROOT / "docs" / "reference" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("| in `tsprompt/` |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    floors = [re.findall(r"`(\w+)`", row) for row in rows]
    assert floors == [re.findall(r"\w+", layer) for layer in reversed(layers)]


def test_the_promises_of_the_threat_model_name_tests_that_exist() -> None:
    text = (ROOT / "docs" / "reference" / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 15
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / file).read_text(encoding="utf-8"), (file, test)
