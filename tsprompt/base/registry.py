"""Names -> parts. A leaf: it knows nothing of what is registered.

A part is a dataclass whose fields are its options. It is built from the text that a person types
(see `tsprompt.base.spec`), or given as it is::

    tokenizer="kernels:length=7,steps=32"
    tokenizer=Kernels(length=7, steps=32)
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, Generic, TypeVar

from tsprompt.base.kinds import KINDS
from tsprompt.base.plugins import Plugin, plugins
from tsprompt.base.spec import parse_spec, type_value
from tsprompt.errors import ConfigError, near_names

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """All parts of one kind (`tokenizer`, `prompt`, ...), found by importing their package."""

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self.package = package or KINDS[kind].package
        self._parts: dict[str, type[T]] = {}
        self._imported = False

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
        self._import_all()
        return iter(sorted(self._parts))

    def __getitem__(self, name: str) -> type[T]:
        self._import_all()
        if name not in self._parts:
            raise ConfigError(f"no {self.kind} is called {name!r}; {near_names(name, self._parts)}")
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
            if type(spec) not in [self[name] for name in self]:
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
        return plugins.origin(self[name])

    def _import_all(self) -> None:
        self._import_own()
        plugins.load()

    def _import_own(self) -> None:
        if self._imported:
            return
        self._imported = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(getattr(package, "__path__", ()), self.package + "."):
            importlib.import_module(module.name)
