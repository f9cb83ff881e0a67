"""Names -> parts. A leaf: it knows nothing of what is registered.

A part is a dataclass whose fields are its options. It is built from the text that a person types
(see `tsprompt.base.spec`), or given as it is::

    tokenizer="kernels:length=7,steps=32"
    tokenizer=Kernels(length=7, steps=32)
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator
from functools import cached_property
from numbers import Real
from typing import Any, Generic, TypeVar

from tsprompt.base.kinds import KINDS
from tsprompt.base.part_files import file_of, registered_in, sources_of
from tsprompt.base.plugins import Plugin, plugins
from tsprompt.base.spec import parse_spec, type_value
from tsprompt.errors import ConfigError, near_names

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """All parts of one kind (`tokenizer`, `prompt`, ...): each is a file of their package, and is
    imported when it is asked for."""

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self.package = package or KINDS[kind].package
        self._parts: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator. A name can be taken once.

        Raises
        ------
        ConfigError
            It is taken.
        """

        def add(part: type[T]) -> type[T]:
            if not part.__module__.startswith(f"{self.package}."):
                self._import_own()  # so that a stranger finds names taken, and takes none of ours
            if name in self._parts:
                raise ConfigError(
                    f"the {self.kind} {name!r} is registered twice, by "
                    f"{self._parts[name].__module__} and by {part.__module__}: one of them needs "
                    "another name"
                )
            part.name = name  # type: ignore[attr-defined]
            self._parts[name] = part
            return part

        return add

    def __iter__(self) -> Iterator[str]:
        """Names of all parts. Nothing is imported for them but what other packages bring."""
        plugins.load()
        return iter(sorted({*self._own, *self._parts}))

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in list(self)

    def __getitem__(self, name: str) -> type[T]:
        """The part of this name. Of our own files, that which registers it is imported."""
        if name not in self._parts and (module := self._home_of(name)):
            importlib.import_module(module)
        if name not in self._parts:
            names = list(self)  # others may bring it
        if name not in self._parts:
            raise ConfigError(f"no {self.kind} is called {name!r}; {near_names(name, names)}")
        return self._parts[name]

    def build(self, spec: object) -> T:
        """Make the part that `spec` describes: a name, `name:option=value,...`, or a part.

        A part is copied without its fitted state, so that the caller's own is never changed.

        Raises
        ------
        ConfigError
            The name or an option is unknown, or a value is out of range.
        """
        if not isinstance(spec, str):
            if type(spec) not in self._parts.values():  # it is given, so its file was imported
                raise ConfigError(f"{spec!r} is not a {self.kind}; give one of: {', '.join(self)}")
            return dataclasses.replace(spec)  # type: ignore[type-var,return-value]
        name, options = parse_spec(spec)
        return self.create(name, options)

    def create(self, name: str, options: dict[str, Any]) -> T:
        """Make the part called `name` with these options."""
        part = self[name]
        known = {field.name: field.type for field in dataclasses.fields(part)}  # type: ignore[arg-type]
        for option, value in options.items():
            if option not in known:
                names = near_names(option, known) if known else "it has none"
                raise ConfigError(f"{self.kind} {name!r} has no option {option!r}; {names}")
            if known[option] == "str" and (value is None or isinstance(value, (bool, Real))):
                # What reads as a number, or as nothing, is a text where a text is asked for.
                options = {**options, option: type_value(value)}
        try:
            return part(**options)
        except TypeError as error:
            raise ConfigError(f"{self.kind} {name!r}: {error}") from None

    def amend(self, spec: str, **options: Any) -> str:
        """The spec of the same part with other values of these options.

        Raises
        ------
        ConfigError
            As `build`.
        """
        part: Any = self.build(spec)
        return self.create(part.name, {**part.options(), **options}).spec()  # type: ignore[attr-defined]

    def origin(self, name: str) -> Plugin | None:
        """The plugin that brings the part called `name`; None of our own."""
        if name in self._own:
            return None
        plugins.load()
        return plugins.origin(self[name])

    def _home_of(self, name: str) -> str | None:
        return file_of(self.package, name) or self._own.get(name)

    def _import_own(self) -> None:
        for module in dict.fromkeys(self._own.values()):
            importlib.import_module(module)

    @cached_property
    def _own(self) -> dict[str, str]:
        """Name -> module, of our own parts. The names are read from the sources: importing all of
        them takes seconds, and most who ask need one."""
        found = {}
        for module, text in sources_of(self.package):
            if text is None:
                importlib.import_module(module)
            else:
                names = registered_in(text, self.package.rpartition(".")[2])
                found.update(dict.fromkeys(names, module))
        return found
