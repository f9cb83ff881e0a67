"""Names for shell completion, found without importing what they name: a Tab must not take seconds.

The names of parts are read from the sources: each part's class says `@KINDs.register("NAME")`.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["backbone_names", "dataset_names", "part_names", "part_of", "recipe_names"]


def part_names(registry: str) -> list[str]:
    """Names in a registry of tsprompt: `strategies`, `tokenizers`, ..."""
    spec = importlib.util.find_spec("tsprompt")
    if spec is None or spec.origin is None:
        return []
    files = sorted((Path(spec.origin).parent / registry).glob("*.py"))
    return sorted(name for file in files for name in _registered(file, registry))


def _registered(file: Path, registry: str) -> Iterator[str]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        for decorator in getattr(node, "decorator_list", ()):
            match decorator:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="register"),
                    args=[ast.Constant(value=str(registered))],
                ) if name == registry:
                    yield registered


def part_of(registry: str) -> Callable[[str], list[str]]:
    """Completes the names in a registry."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in part_names(registry) if name.startswith(incomplete)]

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
