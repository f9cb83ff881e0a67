"""Which file registers which part, read from the sources: a look at names need not import them.

Each part's class says `@KINDs.register("NAME")`, at the start of a line.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

__all__ = ["file_of", "registered_in", "sources_of"]


def registered_in(source: str, registry: str) -> list[str]:
    """Names in decorators such as `@heads.register("NAME")`."""
    return re.findall(rf"^@{registry}\.register\(\s*[\"']([^\"']+)[\"']", source, re.MULTILINE)


def file_of(package: str, name: str) -> str | None:
    """The module that registers a part, if it is the one of the part's name, as most are: then the
    others need not be read."""
    module = f"{package}.{name.replace('-', '_')}"
    text = next((text for found, text in sources_of(module) if found == module), None)
    return module if name in registered_in(text or "", package.rpartition(".")[2]) else None


def sources_of(module: str) -> Iterator[tuple[str, str | None]]:
    """The modules of a package, or the one of that name, with their text; None where there is none
    to be read. None of them is imported."""
    for spec in _specs(module):
        yield spec.name, _text(spec)


def _specs(module: str) -> Iterator[ModuleSpec]:
    root, *inside = module.split(".")
    spec = importlib.util.find_spec(root)
    for name in inside:
        places = None if spec is None else spec.submodule_search_locations
        if spec is None or places is None:
            return
        spec = PathFinder.find_spec(f"{spec.name}.{name}", list(places))
    if spec is not None:
        yield spec
        yield from _within(spec)


def _within(package: ModuleSpec | None) -> Iterator[ModuleSpec]:
    """The modules directly in a package."""
    if package is None:
        return
    places = package.submodule_search_locations or ()
    for found in pkgutil.iter_modules(places, f"{package.name}."):
        finder: Any = found.module_finder
        spec = finder.find_spec(found.name)
        if spec is not None:
            yield spec


def _text(spec: ModuleSpec) -> str | None:
    loader: Any = spec.loader
    try:
        text: str | None = loader.get_source(spec.name)
    except (AttributeError, ImportError, OSError, SyntaxError, ValueError):
        return None  # a program made of compiled files, or no Python at all
    return text
