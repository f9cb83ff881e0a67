"""What a benchmark is asked for, as TOML has it, or the flags of the command.

::

    sets = ["ucr-small", "Coffee"]     # names, groups of names, or paths such as "mine/long.csv"
    seeds = 2                          # runs of each split
    resamples = 5                      # the splits 0 to 4; or a list such as [0, 3]
    shots = ["all", 5]                 # cases of train for each class

    methods = ["default", "minirocket"]    # recipes and baselines; or, to say what differs:

    # A file of one's own can say more, as the flags of `tsprompt fit` do:
    sets = [{ path = "mine/long.csv", label = "state", groups = "person", cv = 5 }]

    [methods.default]
    [methods."no LM"]
    kind = "ablation"
    backbone = "none:minilm"
    [methods.bins]
    recipe = "original"
    n_prompts = 2
    [methods."few kernels"]
    baseline = "rocket:kernels=1000"

    # What all models of the plan start from; a method's own table has the last word.
    [every]
    tokenizer = "kernels:steps=24"

    # Beside each model its twin, its placebo and itself without a prompt, where it has them; in the
    # table of one method: of that one.
    ablations = ["random weights", "placebo", "no prompt"]
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsprompt.base.spec import name_in
from tsprompt.benchmark.plan import (
    Cell,
    Method,
    ablations_of,
    baseline,
    plan_cells,
    with_ablations,
)
from tsprompt.data import FileSet
from tsprompt.errors import ConfigError, near_names
from tsprompt.recipes import RECIPES

__all__ = ["Plan", "named_methods", "read_plan"]


@dataclass(frozen=True)
class Plan:
    """Sets x methods x splits x seeds."""

    sets: tuple[str | FileSet, ...]
    methods: tuple[Method, ...]
    seeds: int = 1
    """Runs of each split."""
    resamples: tuple[int, ...] = (0,)
    shots: tuple[int | None, ...] = (None,)
    """Cases of train for each class; None: all of train."""

    def __post_init__(self) -> None:
        if not self.sets:
            raise ConfigError("the plan names no set; give names such as GunPoint, or ucr-small")
        if not self.methods:
            raise ConfigError("the plan names no method; give recipes or baselines")
        sets = [one.name if isinstance(one, FileSet) else one for one in self.sets]
        if same := next((one for one in sets if sets.count(one) > 1), None):
            raise ConfigError(f"two sets of the plan are called {same!r}; give one another name")
        names = [method.name for method in self.methods]
        if twice := next((one for one in names if names.count(one) > 1), None):
            raise ConfigError(f"two methods of the plan are called {twice!r}")
        for value, what, least in (
            ([self.seeds], "seeds", 1),
            (self.resamples, "resamples", 0),
            ([one for one in self.shots if one is not None], "shots", 0),
        ):
            for one in value:
                if not isinstance(one, int) or one < least:
                    raise ConfigError(f"{what}: {one!r} is no whole number of {least} or more")

    def cells(self) -> list[Cell]:
        """All runs."""
        return plan_cells(
            self.sets, self.methods, self.seeds, resamples=self.resamples, shots=self.shots
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Plan:
        """What `as_dict` gave."""
        methods = tuple(Method(**one) for one in found["methods"])
        sets = tuple(FileSet(**one) if isinstance(one, dict) else one for one in found["sets"])
        rest = {key: tuple(found[key]) for key in ("resamples", "shots")}
        return cls(sets, methods, found["seeds"], **rest)

    def on(self, sets: Iterable[str | FileSet]) -> Plan:
        """The same on other sets."""
        return dataclasses.replace(self, sets=tuple(sets))


def named_methods(
    names: Iterable[str],
    strategies: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    *,
    ablations: bool = False,
) -> list[Method]:
    """Recipes and baselines by name; each recipe with each strategy, if there are several.

    Parameters
    ----------
    strategies
        Of all recipes but those that have a layout of their own (the original experiments); none:
        the recipe's.
    settings
        Choices that differ from those of every recipe.
    ablations
        Whether the first recipe is also run without its language model, its pretraining and its
        prompt.

    Raises
    ------
    ConfigError
        A name is neither a recipe nor a baseline.
    """
    methods: list[Method] = []
    for name in names:
        if name not in RECIPES:
            methods.append(_baseline(name))
            continue
        own = [Method(name, "model", name, dict(settings or {}))]
        if strategies and not RECIPES[name].own_layout:
            own = [
                Method(
                    strategy if name == "default" else f"{name}, {strategy}",
                    "model",
                    name,
                    {**(settings or {}), "strategy": strategy},
                )
                for strategy in strategies
            ]
        first = not any(one.kind == "model" for one in methods)
        methods += [*own, *(ablations_of(own[0]) if ablations and first else [])]
    for method in methods:
        method.resolved()
    return methods


def _baseline(name: str) -> Method:
    from tsprompt.baselines import baselines

    if name_in(name) not in baselines:
        known = [*RECIPES, *baselines]
        raise ConfigError(f"no recipe or baseline is called {name!r}; {near_names(name, known)}")
    return baseline(name)


def read_plan(path: Path) -> Plan:
    """Read a plan; see this module for what it looks like.

    Raises
    ------
    ConfigError
        The file can't be read, or something in it is unknown.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} is no plan: {error}") from None
    known = [*(field.name for field in dataclasses.fields(Plan)), "ablations", "every"]
    for key in found:
        if key not in known:
            raise ConfigError(
                f"{path}: nothing in a plan is called {key!r}; {near_names(key, known)}"
            )
    methods = found.get("methods", ["default"])
    ablations = _listed(path, "ablations", found.get("ablations", []))
    every = found.get("every", {})
    if not isinstance(every, dict):
        raise ConfigError(f"{path}: every is a table of choices, such as [every]")
    made = (
        _table(path, methods, every, ablations)
        if isinstance(methods, dict)
        else _beside(named_methods(methods, settings=every), ablations)
    )
    resamples = found.get("resamples", [0])
    shots = _listed(path, "shots", found.get("shots") or ["all"])
    return Plan(
        sets=tuple(_listed(path, "sets", found.get("sets", []))),
        methods=tuple(made),
        seeds=found.get("seeds", 1),
        resamples=tuple(range(resamples) if isinstance(resamples, int) else resamples),
        shots=tuple(None if one == "all" else one for one in shots),
    )


def _listed(path: Path, key: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{path}: {key} is a list, such as {key} = [{json.dumps(value)}]")
    return value


def _beside(methods: list[Method], ablations: list[Any]) -> list[Method]:
    """The methods with these ablations of all models."""
    return with_ablations(methods, {one.name: ablations for one in methods if one.kind == "model"})


def _table(
    path: Path, methods: dict[str, Any], every: dict[str, Any], ablations: list[Any]
) -> list[Method]:
    """The methods, which start from `every`, and their ablations: those of all models, or those
    that a table names itself."""
    made = []
    wanted: dict[str, list[Any]] = {}
    for name, table in methods.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: methods.{name} is a table of choices")
        choices = dict(table)
        if "baseline" in choices:
            if len(choices) > 1:
                raise ConfigError(f"{path}: methods.{name}: a baseline has no other choices")
            made.append(dataclasses.replace(_baseline(choices["baseline"]), name=name))
            continue
        if not choices and name not in RECIPES:
            made.append(_baseline(name))
            continue
        recipe = choices.pop("recipe", name if name in RECIPES else "default")
        kind = choices.pop("kind", "model")
        own = choices.pop("ablations", ablations if kind == "model" else [])
        wanted[name] = _listed(path, f"methods.{name}.ablations", own)
        if kind not in ("model", "ablation"):
            raise ConfigError(f"{path}: methods.{name}: kind is model or ablation, not {kind!r}")
        method = Method(name, kind, recipe, {**every, **choices})
        method.resolved()
        made.append(method)
    return with_ablations(made, wanted)
