"""Names -> parts. A leaf: it knows nothing of what is registered.

A part is a dataclass whose fields are its options. It is written as text wherever a person types
it, as ``name`` or ``name:option=value,option=value``, on the command line and in Python alike::

    tokenizer="kernels"
    tokenizer="kernels:length=7,steps=32"
    tokenizer=Kernels(length=7, steps=32)

A text with signs that mean something here stands in double quotes, as in JSON::

    prompt='manual:template="a wave, {series}, of [MASK]."'
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from tsprompt.errors import ConfigError, near_names

__all__ = ["Registry", "differing", "merge_specs", "split_outside_quotes"]

T = TypeVar("T")


class Registry(Generic[T]):
    """All parts of one kind (`tokenizer`, `prompt`, ...), found by importing their package."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._parts: dict[str, type[T]] = {}
        self._imported = False

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator. A name can be taken once."""

        def add(part: type[T]) -> type[T]:
            if name in self._parts:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
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
        known = [field.name for field in dataclasses.fields(part)]  # type: ignore[arg-type]
        for option in options:
            if option not in known:
                names = near_names(option, known) if known else "it has none"
                raise ConfigError(f"{self.kind} {name!r} has no option {option!r}; {names}")
        try:
            return part(**options)
        except TypeError as error:
            raise ConfigError(f"{self.kind} {name!r}: {error}") from None

    def _import_all(self) -> None:
        if self._imported:
            return
        self._imported = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(getattr(package, "__path__", ()), self._package + "."):
            importlib.import_module(module.name)


_QUOTED = r'"(?:[^"\\]|\\.)*"'


def split_outside_quotes(text: str, sign: str) -> list[str]:
    """Split at a sign that stands outside of quotes."""
    return re.findall(rf"(?:{_QUOTED}|[^{sign}])+", text)


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Split ``name:option=value,option=value``; ``+`` separates the items of a list value."""
    name, _, rest = spec.partition(":")
    options: dict[str, Any] = {}
    for item in split_outside_quotes(rest, ","):
        _, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(
                f"{item!r} in {spec!r} is not option=value; write name:option=value,option=value"
            )
        several = [_parse_value(one) for one in split_outside_quotes(value, "+")]
        is_list = "+" in re.sub(_QUOTED, "", value)
        options[_option(item)] = several if is_list else _parse_value(value)
    return name.strip(), options


def merge_specs(base: str, given: str) -> str:
    """`given`, with those options of `base` that it leaves open, if both name the same part."""
    (name, _, known), (own, _, new) = base.partition(":"), given.partition(":")
    if name.strip() != own.strip():
        return given
    items = {_option(item): item for item in split_outside_quotes(known, ",")}
    items |= {_option(item): item for item in split_outside_quotes(new, ",")}
    return ":".join(filter(None, (own, ",".join(items.values()))))


def differing(spec: str, other: str) -> tuple[str, str]:
    """The options of two specs in which they differ; the whole specs, if they name two parts."""
    (name, options), (second, others) = parse_spec(spec), parse_spec(other)
    if name != second:
        return spec, other
    names = [one for one in options if options[one] != others.get(one)]
    texts = [dict(_texts(one)) for one in (spec, other)]
    first, last = (",".join(text[one] for one in names if one in text) for text in texts)
    return f"{name}:{first}", f"{name}:{last}"


def _texts(spec: str) -> Iterator[tuple[str, str]]:
    for item in split_outside_quotes(spec.partition(":")[2], ","):
        yield _option(item), item


def _option(item: str) -> str:
    return item.partition("=")[0].strip().replace("-", "_")


def _parse_value(text: str) -> Any:
    text = text.strip()
    if text.lower() in ("none", "null"):
        return None
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text
