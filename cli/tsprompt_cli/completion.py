"""Names for shell completion, found without importing what they name: a Tab must not take seconds.

The names of parts are read from the sources: each part's class says `@KINDs.register("NAME")`.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

from tsprompt.base.kinds import Kind

__all__ = ["backbone_names", "dataset_names", "part_names", "part_of", "recipe_names"]


def part_names(kind: Kind) -> list[str]:
    """Names of all parts of a kind, those of plugins among them."""
    from tsprompt.base.plugins import find_plugins

    homes = [kind.package, *(plugin.module for plugin in find_plugins())]
    files = [file for home in homes for file in _sources(home)]
    return sorted({name for file in files for name in _registered(file, kind.plural)})


def _sources(module: str) -> list[Path]:
    """The files of a package, or the one of a module."""
    root, *inside = module.split(".")
    spec = importlib.util.find_spec(root)
    if spec is None:
        return []
    if not spec.submodule_search_locations:
        return [Path(spec.origin)] if spec.origin else []
    places = [Path(place).joinpath(*inside) for place in spec.submodule_search_locations]
    return [
        file
        for place in places
        for file in (place.with_name(f"{place.name}.py"), *sorted(place.glob("*.py")))
        if file.is_file()
    ]


def _registered(file: Path, registry: str) -> Iterator[str]:
    """Names in decorators such as `@heads.register("NAME")`; none of a file that is not Python."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (SyntaxError, ValueError):  # a plugin's; what needs a part says so, a Tab does not
        return
    for node in body:
        for decorator in getattr(node, "decorator_list", ()):
            match decorator:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="register"),
                    args=[ast.Constant(value=str(registered))],
                ) if name == registry:
                    yield registered


def part_of(kind: Kind) -> Callable[[str], list[str]]:
    """Completes the names of a kind."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in part_names(kind) if name.startswith(incomplete)]

    return complete


def recipe_names(incomplete: str) -> list[str]:
    """Completes recipes."""
    from tsprompt.recipes import RECIPES

    return [name for name in RECIPES if name.startswith(incomplete)]


def backbone_names(incomplete: str) -> list[str]:
    """Completes the bundled backbone and its twins."""
    names = ("minilm", "none", "none:minilm", "random:minilm", "shuffled:minilm")
    return [name for name in names if name.startswith(incomplete)]


def dataset_names(incomplete: str) -> list[str]:
    """Completes sets: those on this machine; where none of them fits, those of the archives."""
    from tsprompt.errors import DatasetError
    from tsprompt_datasets import archive_names, list_datasets

    try:
        here = [entry.name for entry in list_datasets()]
    except DatasetError:  # TSPROMPT_DATA_DIR is no folder: nothing to be said in the midst of a Tab
        return []
    for names in (here, archive_names()):
        fitting = [one for one in names if one.casefold().startswith(incomplete.casefold())]
        if fitting:
            return fitting
    return []
