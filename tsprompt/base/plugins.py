"""Parts that other packages bring, through Python entry points.

A package names a module, or an object in one, whose import registers parts in the ordinary way::

    [project.entry-points."tsprompt.parts"]
    toy = "tsprompt_toy.parts"

It is imported when a registry is first asked for its names, and not before: what needs no part,
such as ``tsprompt --help``, neither waits for it nor fails with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from tsprompt.errors import PluginError, TspromptError

__all__ = ["GROUP", "Plugin", "Plugins", "find_plugins", "plugins"]

GROUP = "tsprompt.parts"


@dataclass(frozen=True)
class Plugin:
    """One entry point of a package."""

    package: str
    """What pip calls it."""
    version: str
    point: EntryPoint

    @property
    def module(self) -> str:
        """The module that registers the parts."""
        return self.point.module

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


def find_plugins() -> list[Plugin]:
    """All that are installed; none of them is imported."""
    found = [
        Plugin(point.dist.name, point.dist.version, point)
        for point in entry_points(group=GROUP)
        if point.dist is not None
    ]
    return sorted(found, key=lambda one: (one.package, one.point.value))


class Plugins:
    """The plugins of this process: imported once, and refused again each time if one fails."""

    def __init__(self, find: Callable[[], Iterable[Plugin]] = find_plugins) -> None:
        self._find = find
        self._plugins: list[Plugin] | None = None
        self._failed: dict[Plugin, BaseException] = {}
        self._loading = False

    def load(self) -> None:
        """Import all of them, if that was not done before.

        Raises
        ------
        PluginError
            One can't be imported, or brings a part whose name is taken.
        """
        if self._loading:  # a plugin that asks for names meanwhile finds those that are there
            return
        if self._plugins is None:
            self._import_all()
        if self._failed:
            text = "\n".join(_refusal(plugin, error) for plugin, error in self._failed.items())
            raise PluginError(text) from next(iter(self._failed.values()))

    def checked(self) -> dict[Plugin, str]:
        """All of them, each with the reason why it can't be used; no text where it can."""
        with suppress(PluginError):
            self.load()
        failed = {plugin: _reason(error) for plugin, error in self._failed.items()}
        return dict.fromkeys(self._plugins or (), "") | failed

    def origin(self, part: type) -> Plugin | None:
        """The plugin that a part comes from; None of our own, and of one that nobody packed."""
        near = [(_shared(one.module, part.__module__), one) for one in self._plugins or ()]
        depth, plugin = max(near, key=lambda one: one[0], default=(0, None))
        return plugin if depth else None

    def _import_all(self) -> None:
        self._loading = True
        try:
            self._plugins = list(self._find())
            for plugin in self._plugins:
                try:
                    plugin.point.load()
                except (Exception, SystemExit) as error:  # whatever a stranger's module does
                    self._failed[plugin] = error
        finally:
            self._loading = False


plugins = Plugins()


def _refusal(plugin: Plugin, error: BaseException) -> str:
    return (
        f"the package {plugin} can't bring its parts ({plugin.point.value}): {_reason(error)}; "
        "install a version of it that works with this tsprompt, or remove it: "
        f"pip uninstall {plugin.package}"
    )


def _reason(error: BaseException) -> str:
    own = isinstance(error, TspromptError)
    return " ".join((str(error) if own else f"{type(error).__name__}: {error}").split())


def _shared(module: str, other: str) -> int:
    """How many packages two modules have in common, from the outermost in."""
    depth = 0
    for one, two in zip(module.split("."), other.split("."), strict=False):
        if one != two:
            break
        depth += 1
    return depth
