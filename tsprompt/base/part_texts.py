"""What our own parts say of themselves, read from their sources: importing them brings torch in,
which takes seconds, and names, docstrings and defaults need none of it."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tsprompt.base.kinds import Kind
from tsprompt.base.part_files import file_of, registered_in, sources_of

__all__ = ["PartText", "read_part", "read_parts"]


_OPEN = object()
"""No default."""


@dataclass(frozen=True)
class PartText:
    """A part as its source has it."""

    doc: str
    defaults: dict[str, Any]
    """Option -> its default."""
    about: dict[str, str]
    """Option -> the text beneath it."""
    refuses: tuple[str, ...]
    """Options that have no meaning for it."""

    @property
    def listed(self) -> dict[str, tuple[Any, str]]:
        """Option -> its default, and the text beneath it."""
        return {
            name: (value, self.about.get(name, ""))
            for name, value in self.defaults.items()
            if name not in self.refuses
        }


@dataclass(frozen=True)
class _Class:
    """A class, and the file that it stands in."""

    node: ast.ClassDef
    module: str


def read_parts(kind: Kind) -> dict[str, PartText] | None:
    """Name -> part; None where a source says something by other means than plain values, and the
    part itself must be asked."""
    found = {}
    try:
        for module, text in sources_of(kind.package):
            for name in registered_in(text or "", kind.plural):
                found[name] = _read(_registered(module, kind.plural, name))
    except (LookupError, ValueError):
        return None
    return dict(sorted(found.items()))


def read_part(kind: Kind, name: str) -> PartText | None:
    """One of our own parts; None where there is none of that name, or it must be asked itself."""
    try:
        if module := file_of(kind.package, name):
            return _read(_registered(module, kind.plural, name))
        for module, text in sources_of(kind.package):
            if name in registered_in(text or "", kind.plural):
                return _read(_registered(module, kind.plural, name))
    except (LookupError, ValueError):
        pass
    return None


def _read(part: _Class) -> PartText:
    """The part, with what it has from the classes above it."""
    doc, defaults, about = "", {}, {}
    refuses: tuple[str, ...] = ()
    for one in reversed(list(_above(part))):
        doc = inspect.cleandoc(ast.get_docstring(one.node) or doc)
        own = "dataclass" in map(ast.unparse, one.node.decorator_list)
        for line, below in itertools.pairwise([*one.node.body, ast.Pass()]):
            match line:
                case ast.AnnAssign(target=ast.Name("refuses"), value=ast.expr() as value):
                    refuses = ast.literal_eval(value)
                case ast.AnnAssign(target=ast.Name(name), annotation=kind, value=value):
                    if not own or "ClassVar" in ast.unparse(kind):
                        continue
                    # A class below may give the default that one above leaves open.
                    defaults[name] = _OPEN if value is None else ast.literal_eval(value)
                    about.update(_text_below(name, below))
    if _OPEN in defaults.values():
        raise ValueError("an option without a default")
    return PartText(doc, defaults, about, refuses)


def _text_below(name: str, line: ast.stmt) -> dict[str, str]:
    match line:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return {name: " ".join(text.split())}
    return {}


def _above(part: _Class) -> Iterator[_Class]:
    """The class, and those of ours that it extends: the nearest first."""
    yield part
    for base in part.node.bases:
        name = ast.unparse(base).partition("[")[0]
        home = _tree(part.module)
        if name in _classes(home):
            yield from _above(_Class(_classes(home)[name], part.module))
        elif (module := _imported(home).get(name, "")).startswith("tsprompt."):
            yield from _above(_defined(module, name))


def _defined(module: str, name: str) -> _Class:
    """A class by name, in a module or where that has it from."""
    tree = _tree(module)
    if name in _classes(tree):
        return _Class(_classes(tree)[name], module)
    return _defined(_imported(tree)[name], name)


def _registered(module: str, registry: str, name: str) -> _Class:
    for node in _classes(_tree(module)).values():
        for decorator in map(ast.unparse, node.decorator_list):
            if decorator == f"{registry}.register({name!r})":
                return _Class(node, module)
    raise LookupError(name)


def _classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {one.name: one for one in tree.body if isinstance(one, ast.ClassDef)}


def _imported(tree: ast.Module) -> dict[str, str]:
    """Name -> the module that it is from."""
    return {
        alias.name: str(one.module)
        for one in tree.body
        if isinstance(one, ast.ImportFrom)
        for alias in one.names
    }


@lru_cache
def _tree(module: str) -> ast.Module:
    text = next((text for name, text in sources_of(module) if name == module), None)
    if text is None:
        raise LookupError(module)
    return ast.parse(text)
