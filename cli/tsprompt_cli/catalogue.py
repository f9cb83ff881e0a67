"""What parts, recipes and backbones there are, in the words of their own docstrings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsprompt.base.kinds import KINDS, Kind
from tsprompt.base.part_texts import read_part, read_parts
from tsprompt.base.plugins import find_plugins, plugins
from tsprompt.base.spec import type_value

if TYPE_CHECKING:
    from tsprompt.recipes import Recipe

__all__ = [
    "Explained",
    "Option",
    "explain_backbones",
    "explain_baselines",
    "explain_kind",
    "explain_recipes",
    "first_line",
]


@dataclass(frozen=True)
class Option:
    """One option of a part, or one choice of a recipe."""

    name: str
    value: str
    """Its default, as a person would type it."""
    about: str


@dataclass(frozen=True)
class Explained:
    """One thing in a list."""

    name: str
    about: str
    """One line."""
    more: str = ""
    options: tuple[Option, ...] = ()
    source: str = ""
    """Author, year, and whose implementation it is, where that is told apart."""
    needs: str = ""
    """What installs the packages that it lacks here; nothing, where it can run."""
    package: str = ""
    """The package that brings it, with its version, if that is not tsprompt."""
    facts: tuple[tuple[str, str], ...] = ()
    """What else is told of it: pairs of what it is and a sentence."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def explain_kind(kind: Kind) -> list[Explained]:
    """All parts of a kind; ours are imported only where other packages bring some too."""
    own = None if find_plugins() else read_parts(kind)
    if own is not None:
        return [_told(name, one.doc, one.listed) for name, one in own.items()]
    return [_explain(part, name) for part, name in _named(kind)]


def explain_baselines() -> list[Explained]:
    """All baselines, by the titles that tables give them, and what each lacks on this machine."""
    return [_explain_baseline(part, name) for part, name in _named(KINDS["baseline"])]


def _named(kind: Kind) -> list[tuple[Any, str]]:
    registry = kind.registry()
    return [(registry[name], name) for name in registry]


def _explain_baseline(part: Any, name: str) -> Explained:
    needs = part.remedy() if part.missing() else ""
    paragraphs = (inspect.getdoc(part) or "").split("\n\n")
    said = [*(" ".join(one.split()) for one in paragraphs), f"From: {part.source}."]
    return dataclasses.replace(
        _explain(part, name),
        about=part.title,
        more="\n\n".join([*said, f"To install: {needs}"] if needs else said),
        source=part.source,
        needs=needs,
    )


_UNSET = {
    "tuner": "the prompt's own",
    "prompt_from": "nothing: the prompt's own start",
    "class_weight": "all cases alike",
}
"""What each choice is where a recipe names none."""


def _of_source(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """Source, mechanism and departures."""
    mechanism = [("mechanism", recipe.mechanism)] if recipe.mechanism else []
    return (("from", recipe.source), *mechanism, *(("departs", one) for one in recipe.departures))


def explain_recipes() -> list[Explained]:
    """All recipes, with everything that each sets."""
    from tsprompt.recipes import RECIPES

    return [
        Explained(
            recipe.name,
            recipe.about,
            options=tuple(
                Option(name, _UNSET[name] if value is None else str(value), "")
                for name, value in dataclasses.asdict(recipe.settings).items()
            ),
            source=recipe.source,
            facts=_of_source(recipe),
        )
        for recipe in RECIPES.values()
    ]


def explain_backbones() -> list[Explained]:
    """Those that load without a network, and the ways to name others."""
    from tsprompt.backbones.catalogue import BUNDLED, cached

    bundled = [Explained(name, one.description) for name, one in BUNDLED.items()]
    kept = [Explained(name, "in the Hugging Face cache of this machine") for name in cached()]
    return [
        *bundled,
        *kept,
        Explained("random:NAME", "the same architecture, freshly initialised (an ablation)"),
        Explained("shuffled:NAME", "pretrained entries permuted inside each matrix (an ablation)"),
        Explained("none:NAME", "no layers: embeddings go straight to the readout (an ablation)"),
        Explained("ORG/NAME", "any BERT, GPT-2, BART, T5, ViT or the like of the Hugging Face hub"),
        Explained("FOLDER", "the same from a local folder"),
    ]


def first_line(kind: Kind, name: str) -> str:
    """What a part is: the first sentence of its docstring."""
    own = read_part(kind, name)
    return _first_line(own.doc if own else inspect.getdoc(kind.registry()[name]) or "")


def _first_line(doc: str) -> str:
    first = " ".join(doc.partition("\n\n")[0].split())
    return re.split(r"(?<=\.)\s+(?=[A-Z])", first)[0].replace("``", "")


def _explain(part: Any, name: str) -> Explained:
    about = _field_docs(part)
    options = {
        field.name: (field.default, about.get(field.name, ""))
        for field in dataclasses.fields(part)
        if field.name not in getattr(part, "refuses", ())
    }
    plugin = plugins.origin(part)
    return _told(name, inspect.getdoc(part) or "", options, str(plugin) if plugin else "")


def _told(name: str, doc: str, options: dict[str, tuple[Any, str]], package: str = "") -> Explained:
    """A part by its docstring, and by the default and the text of each option."""
    first, _, rest = doc.partition("\n\n")
    beyond = " ".join(first.split()).replace("``", "").removeprefix(_first_line(doc)).strip()
    source = f"From the package {package}." if package else ""
    listed = tuple(
        Option(option, type_value(value), about) for option, (value, about) in options.items()
    )
    more = "\n\n".join(filter(None, (beyond, rest, source)))
    return Explained(name, _first_line(doc), more, listed, package=package)


def _field_docs(kind: type[Any]) -> dict[str, str]:
    """Field -> the string beneath it in the source, also of inherited ones."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if dataclasses.is_dataclass(owner):
            found |= _docs_of(owner)
    return found


def _docs_of(owner: type[Any]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    lines = body.body if isinstance(body, ast.ClassDef) else []
    docs = {}
    for line, below in itertools.pairwise(lines):
        match line, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = " ".join(text.split())
    return docs
