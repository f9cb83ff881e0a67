"""Recipes: named, complete sets of choices. Any choice can be overridden. Needs no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from tsprompt.errors import ConfigError, near_names

__all__ = ["RECIPES", "Recipe", "Settings", "resolve"]


@dataclass(frozen=True)
class Settings:
    """All choices of a classifier, each as the text that a person would type."""

    strategy: str = "shared"
    """How input, prompt and mask are laid out."""
    scope: str = "series"
    """Whether the language model reads a whole `series` or each `step` alone."""
    preprocessing: str = "standard"
    """How series are imputed, standardised and resampled."""
    tokenizer: str = "kernels"
    """How values become tokens."""
    prompt: str = "hard"
    """What fills the prompt slots."""
    tuner: str | None = None
    """How the prompt is found; None: the way that the prompt itself names."""
    n_prompts: int = 4
    """Prompts whose features are concatenated, each with a tokenizer draw of its own."""
    readout: str = "pooled"
    """How hidden states become features."""
    head: str = "ridge"
    """How features become probabilities."""
    backbone: str = "minilm"
    """The language model; of `a|b`, the first that is on the machine."""


@dataclass(frozen=True)
class Recipe:
    """A set of choices with a name."""

    name: str
    about: str
    """One line for lists."""
    source: str
    """Where it comes from."""
    settings: Settings


_ORIGINAL = Settings(
    strategy="shared",
    scope="step",
    tokenizer="bins:words=index",
    prompt="hard:draws=normal,placement=random",
    tuner="search",
    n_prompts=1,
    readout="mask",
    head="mlp",
    backbone="bert-large-uncased|minilm",
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "default",
            "random kernels, four random word prompts, layers 1 and 2 pooled, one ridge",
            "this project; kernels after Dempster et al. (2020)",
            Settings(),
        ),
        Recipe(
            "fast",
            "the same with two prompts and the first layer",
            "this project",
            Settings(n_prompts=2, readout="pooled:first=1"),
        ),
        Recipe(
            "accurate",
            "the same with eight prompts and the first three layers",
            "this project",
            Settings(n_prompts=8, readout="pooled:first=3"),
        ),
        Recipe(
            "original",
            "bin numbers, random prompt and mask position, MLP at the mask, redraw on patience",
            "the original experiments, final version",
            _ORIGINAL,
        ),
        Recipe(
            "original-gru",
            "GRU + MLP write the prompt; the embedding lookup blocks its gradient, and it says so",
            "the original experiments, first attempt",
            replace(_ORIGINAL, prompt="gru:placement=random", tuner="gradient"),
        ),
        Recipe(
            "original-gru-st",
            "the same with a straight-through gradient, so that the prompt does learn",
            "the original experiments; Bengio et al. (2013)",
            replace(
                _ORIGINAL, prompt="gru:placement=random,straight_through=true", tuner="gradient"
            ),
        ),
        Recipe(
            "original-surrogate",
            "an MLP beside the language model carries the loss back to the prompt",
            "the original experiments, second attempt",
            replace(_ORIGINAL, prompt="buffer:placement=random", tuner="surrogate"),
        ),
    )
}


def resolve(recipe: str, overrides: dict[str, object]) -> dict[str, object]:
    """The recipe's choices, with those that are not None replaced.

    Raises
    ------
    ConfigError
        The recipe is unknown, or a choice is.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"no recipe is called {recipe!r}; {near_names(recipe, RECIPES)}")
    known = asdict(RECIPES[recipe].settings)
    for key in overrides:
        if key not in known:
            raise ConfigError(f"no choice is called {key!r}; {near_names(key, known)}")
    given = {key: value for key, value in overrides.items() if value is not None}
    return {**known, **given}
