"""Names for shell completion, found without importing what they name: a Tab takes no seconds."""

from __future__ import annotations

from collections.abc import Callable

from tsprompt.base.kinds import Kind

__all__ = ["backbone_names", "dataset_names", "part_names", "part_of", "recipe_names"]


def part_names(kind: Kind) -> list[str]:
    """Names of all parts of a kind, those of plugins among them."""
    from tsprompt.base.part_files import registered_in, sources_of
    from tsprompt.base.plugins import find_plugins

    homes = [kind.package, *(plugin.module for plugin in find_plugins())]
    # A plugin's file may be no Python; what needs a part says so, a Tab does not.
    texts = [text for home in homes for _, text in sources_of(home) if text is not None]
    return sorted({name for text in texts for name in registered_in(text, kind.plural)})


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
