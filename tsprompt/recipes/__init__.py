"""Recipes: named, complete sets of choices. Any choice can be overridden. Needs no torch."""

from __future__ import annotations

from dataclasses import asdict

from tsprompt.base.kinds import SETTINGS
from tsprompt.base.spec import merge_specs
from tsprompt.errors import ConfigError, near_names
from tsprompt.recipes.base import Recipe, Settings
from tsprompt.recipes.context import CONTEXT
from tsprompt.recipes.default import OWN
from tsprompt.recipes.discrete import DISCRETE
from tsprompt.recipes.ensembles import ENSEMBLES
from tsprompt.recipes.image import IMAGE
from tsprompt.recipes.original import ORIGINAL
from tsprompt.recipes.pet import PET
from tsprompt.recipes.retrieval import RETRIEVAL
from tsprompt.recipes.soft import SOFT
from tsprompt.recipes.templates import TEMPLATES
from tsprompt.recipes.transfer import TRANSFER

__all__ = ["RECIPES", "Recipe", "Settings", "resolve"]

_YOUNG = {"class_weight"}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *OWN,
        *DISCRETE,
        *SOFT,
        *TEMPLATES,
        *TRANSFER,
        *ENSEMBLES,
        *PET,
        *CONTEXT,
        *RETRIEVAL,
        *IMAGE,
        *ORIGINAL,
    )
}


def resolve(recipe: str, overrides: dict[str, object]) -> dict[str, object]:
    """The recipe's choices, with those that are not None replaced.

    Where both name the same part, the recipe's options stay but for those that are given: with
    ``tuner="gradient:patience=5"`` in the recipe, ``tuner="gradient:epochs=9"`` keeps the patience.

    Raises
    ------
    ConfigError
        The recipe is unknown, or a choice is.
    """
    if not isinstance(recipe, str) or recipe not in RECIPES:
        raise ConfigError(f"no recipe is called {recipe!r}; {near_names(str(recipe), RECIPES)}")
    known = asdict(RECIPES[recipe].settings)
    for key in overrides:
        if key not in known:
            raise ConfigError(f"no choice is called {key!r}; {near_names(key, known)}")
    given = {key: value for key, value in overrides.items() if value is not None}
    for key, value in given.items():
        if isinstance(value, str) and isinstance(known[key], str) and key in SETTINGS:
            given[key] = merge_specs(known[key], value)
    # A choice that is younger than the records of runs is in them only where it is made: they are
    # called by their choices.
    return {
        key: value
        for key, value in {**known, **given}.items()
        if key not in _YOUNG or value is not None
    }
