"""The plan of `make bench-prompting`: all methods, each beside what it has to be better than."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tsprompt.benchmark import Method, Plan, read_plan
from tsprompt.heads import heads
from tsprompt.model.design import Design
from tsprompt.recipes import RECIPES
from tsprompt.report.ablations import by_choices

PLAN = Path(__file__).parents[2] / "benchmarks" / "prompting.toml"
LEFT_OUT = {
    "image": "a vision transformer",
    "clip": "a CLIP",
    "tip-adapter": "a CLIP",
    "cpt-plot": "a CLIP",
    "lm-bff": "a T5",
    "mined": "a corpus",
    "paraphrased": "two translators",
    "nsp": "a BERT with its head for next sentences",
}
"""What no machine without the hub has."""
HEADS_LEFT_OUT = {"class-texts", "tip-adapter"}


@cache
def plan() -> Plan:
    return read_plan(PLAN)


def models() -> list[Method]:
    return [one for one in plan().methods if one.kind == "model"]


def beside(method: Method) -> set[str]:
    """What stands beside a method, by its choices."""
    own = method.resolved()
    ablations = [one.resolved() for one in plan().methods if one.kind == "ablation"]
    return {what for one in ablations if (what := by_choices(one, own))}


def test_each_recipe_has_a_row() -> None:
    """A recipe without one: give it a table in benchmarks/prompting.toml, or say above why not."""
    assert {one.recipe for one in models()} == set(RECIPES) - set(LEFT_OUT)


def test_each_head_is_in_a_row() -> None:
    used = {Design.build(one.resolved()).head.name for one in models()}
    assert used == set(heads) - HEADS_LEFT_OUT


@pytest.mark.parametrize("method", models(), ids=lambda one: one.name)
def test_each_method_stands_beside_its_twin_its_placebo_and_itself_without_a_prompt(
    method: Method,
) -> None:
    parts = Design.build(method.resolved())
    wanted = {"random weights"}
    wanted |= {"placebo"} if parts.has_placebo else set()
    wanted |= {"no prompt"} if parts.prompt.name != "none" else set()
    assert beside(method) == wanted


def test_the_plan_is_of_twelve_sets_three_seeds_all_of_train_and_five_shots() -> None:
    made = plan()
    assert (len(made.sets), made.seeds, made.shots) == (12, 3, (None, 5))
