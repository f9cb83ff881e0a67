"""Errors and notices: a setting in their text is data, and each front end spells it its own way."""

from __future__ import annotations

import ast
import copy
import pickle
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tsprompt import errors
from tsprompt.errors import ConfigError, Setting, TspromptError, TspromptNotice, notice
from tsprompt.recipes import Settings
from tsprompt_cli.main import app
from tsprompt_cli.messages import as_flag, in_a_plan

ROOT = Path(__file__).parents[1]
LIBRARY = [*(ROOT / "tsprompt").rglob("*.py"), *(ROOT / "datasets").rglob("*.py")]
ERRORS = [getattr(errors, name) for name in sorted(errors.__all__) if name.endswith("Error")]
TELLERS = {"notice", "require", *(kind.__name__ for kind in ERRORS)}
IN_PYTHON_ALONE = {"axes"}
"""Settings of arrays: a file says itself how its axes stand, so that no command tells of these."""


@pytest.mark.parametrize(
    ("setting", "library", "command", "plan"),
    [
        (Setting("head", "ridge"), 'head="ridge"', "--head ridge", 'head = "ridge"'),
        (Setting("n_prompts", 2), "n_prompts=2", "--n-prompts 2", "n_prompts = 2"),
        (Setting("prompt_from"), "prompt_from", "--prompt-from", "prompt_from"),
        (Setting("path"), "path", "--output", "--results"),
        (Setting("data_dir", "DIR"), 'data_dir="DIR"', "--data-dir DIR", "--data-dir DIR"),
        (
            Setting("prompt", "manual:template=a é {series}."),
            'prompt="manual:template=a é {series}."',
            "--prompt 'manual:template=a é {series}.'",
            'prompt = "manual:template=a é {series}."',
        ),
    ],
)
def test_a_setting_is_spelled_as_its_reader_writes_it(
    setting: Setting, library: str, command: str, plan: str
) -> None:
    error = ConfigError("use ", setting, ", or not")
    assert str(error) == f"use {library}, or not"
    assert error.spelled(as_flag) == f"use {command}, or not"
    assert error.spelled(in_a_plan) == f"use {plan}, or not"


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [(1, "feature", "1 feature"), (0, "case", "0 cases"), (1200, "class", "1,200 classes")],
)
def test_what_is_counted_is_one_or_many(number: int, noun: str, said: str) -> None:
    assert errors.counted(number, noun) == said


def test_prose_that_looks_like_a_setting_is_left_alone() -> None:
    error = ConfigError("'manual:template=x,head=\"ridge\"' of prompt_from: no")
    assert error.spelled(as_flag) == str(error)


@pytest.mark.parametrize(
    "kind",
    [TspromptNotice, *(getattr(errors, name) for name in sorted(TELLERS) if "Error" in name)],
)
def test_errors_travel_between_processes(kind: type[TspromptError | TspromptNotice]) -> None:
    error = kind("use ", Setting("head", "ridge"), " or another")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert twin.args == error.args
        assert twin.spelled(as_flag) == "use --head ridge or another"


def test_a_notice_keeps_its_settings() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        notice("start with ", Setting("batch_tokens", 512))
    (told,) = (one.message for one in caught)
    assert isinstance(told, TspromptNotice)
    assert (str(told), told.spelled(as_flag)) == (
        "start with batch_tokens=512",
        "start with --batch-tokens 512",
    )


def calls(name: set[str]) -> Iterator[tuple[str, ast.Call]]:
    for file in LIBRARY:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in name:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def flags() -> set[str]:
    """The long options of all commands."""
    found: set[str] = set()
    queue = [typer.main.get_command(app)]
    for command in queue:
        queue += getattr(command, "commands", {}).values()
        found |= {flag for one in command.params for flag in one.opts}
    return found


def test_every_setting_that_a_text_names_is_one_that_the_command_has() -> None:
    named = {
        node.args[0].value: place
        for place, node in calls({"Setting"})
        if isinstance(node.args[0], ast.Constant)
    }
    assert {"head", "prompt_from", "path", "data_dir"} <= named.keys()
    for name in named.keys() - IN_PYTHON_ALONE:
        assert as_flag(Setting(name)) in flags(), named[name]


def test_no_text_of_the_library_spells_a_setting_itself() -> None:
    """Neither as a flag, nor as an argument; nor does an f-string freeze one in Python's way."""
    settings = {*vars(Settings()), "device", "dtype", "batch_tokens", "data_dir"}
    names = "|".join(settings)
    frozen = re.compile(rf"(?<![\w`-])--[a-z]|(?<![\w,:.])({names})=(?=[\"'\w]|$)|^prompt_from:")
    seen = 0
    for place, call in calls(TELLERS):
        for piece in call.args:
            for node in ast.walk(piece):
                seen += 1
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    text = re.sub("`[^`]*`", "", node.value)  # a command in full
                    assert not frozen.search(text), f"{place}: {node.value}"
                if isinstance(node, ast.FormattedValue):
                    assert "Setting(" not in ast.unparse(node), place
    assert seen > 1000
