"""The table of kinds, and what is typed out by hand because people and type checkers read it."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

import tsprompt
from tsprompt.base.kinds import KINDS, SETTINGS, Kind
from tsprompt.base.registry import Registry
from tsprompt.classifier import PromptClassifier
from tsprompt.model.design import Design
from tsprompt.recipes import Settings
from tsprompt_cli.option_groups import Choices

NO_PARTS = {"scope", "n_prompts", "backbone", "prompt_from", "class_weight"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_kind_is_a_package_with_a_registry_of_that_name(kind: Kind) -> None:
    registry = kind.registry()
    assert isinstance(registry, Registry)
    assert (registry.kind, registry.package) == (kind.name, kind.package)
    assert kind.about.endswith(".")


def test_every_package_of_parts_is_in_the_table() -> None:
    home = Path(str(tsprompt.__file__)).parent
    made = {
        file.parent.name
        for file in home.glob("*/base.py")
        if "= Registry(" in file.read_text(encoding="utf-8")
    }
    assert made == {kind.plural for kind in KINDS.values()}


def test_every_setting_that_takes_a_part_is_one_everywhere() -> None:
    for made in (Settings, Design):
        assert {one.name for one in dataclasses.fields(made)} == {*SETTINGS, *NO_PARTS}
    assert {*SETTINGS, *NO_PARTS} <= set(inspect.signature(PromptClassifier).parameters)
    flags = {one.name for one in dataclasses.fields(Choices)}
    assert flags - {"template"} == {*SETTINGS, *NO_PARTS} - {"strategy"}
