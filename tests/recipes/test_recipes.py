"""What every recipe says of itself: its source, the step that makes it this method, departures."""

from __future__ import annotations

import pytest

from tsprompt.recipes import RECIPES, Recipe


@pytest.mark.parametrize("recipe", list(RECIPES.values()), ids=lambda one: one.name)
def test_a_recipe_says_its_source_its_mechanism_and_why_it_departs(recipe: Recipe) -> None:
    for line in (recipe.about, recipe.source, recipe.mechanism, *recipe.departures):
        assert line
        assert line == line.strip()
        assert "\n" not in line
        assert not line.endswith("."), "lists put the full stop"
    for why in recipe.departures:
        assert "because" in why or "so that" in why
