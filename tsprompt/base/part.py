"""What tokenizers, strategies, prompts, tuners, readouts and heads have in common."""

from __future__ import annotations

import dataclasses
from abc import ABC
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from typing_extensions import TypedDict

from tsprompt.base.spec import spell_spec
from tsprompt.errors import ConfigError, Piece

__all__ = ["Part", "count_of", "require", "require_one_of", "several", "spec_of"]


class Part(ABC):  # noqa: B024  (each kind of part says what its own must have)
    """A replaceable piece of a classifier: options given at construction, state that ends in `_`.

    Subclasses are dataclasses. Their fields are the options; whatever `fit` learns is kept in
    attributes whose names end in ``_`` and hold tensors, numbers, strings, or lists and dicts of
    these. So one pair of methods saves and restores every part, and what its `State` declares is
    checked wherever a saved model is read.

    What must know the language model gets to know it by ``meet(backbone, ...)``, also after
    `restore`; what it keeps of it, not to be saved, is in attributes whose names start with
    ``met_``.
    """

    name: ClassVar[str] = "part"
    refuses: ClassVar[tuple[str, ...]] = ()
    """Options of its kind that have no meaning for it: lists leave them out."""
    quick: ClassVar[dict[str, Any]] = {}
    """Options that make it quick on data of a few cases and a tiny model, for tests and
    trials."""

    class State(TypedDict):
        """What fitting has learned, declared: see `tsprompt.base.state`."""

    def __new__(cls, *values: Any, **options: Any) -> Self:
        """See that numbers are numbers, before their range is looked at.

        Raises
        ------
        ConfigError
            An option has a value of another type.
        """
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        given = dict(zip((field.name for field in fields), values, strict=False)) | options
        for field in fields:
            if field.name in given:
                _check_type(f"{cls.name}: {field.name}", field.type, given[field.name])
        return super().__new__(cls)

    def options(self) -> dict[str, Any]:
        """All options with their values."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields}

    def spec(self, *, full: bool = False) -> str:
        """The text that builds this part again: its name and the options that differ, or, for the
        day that a default changes, all of them."""
        changed = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if full or getattr(self, field.name) != field.default
        }
        return spell_spec(self.name, changed)

    def state(self) -> dict[str, Any]:
        """What fitting has learned."""
        return {key: value for key, value in vars(self).items() if key.endswith("_")}

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what `state` gave."""
        vars(self).update(state)


def spec_of(setting: Any, *, full: bool = False) -> Any:
    """The spec of a part; a setting that is no part, as it is."""
    return setting.spec(full=full) if isinstance(setting, Part) else setting


def several(value: Any) -> tuple[Any, ...]:
    """A tuple of what may be nothing, one thing or many."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def require(condition: bool, *text: Piece) -> None:
    """Raise `ConfigError` with this text unless the condition holds."""
    if not condition:
        raise ConfigError(*text)


def count_of(option: str, value: object) -> int:
    """A whole number of 1 or more, NumPy's among them, as an `int`.

    Raises
    ------
    ConfigError
        The option's value is something else.
    """
    if not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= 1:
        return int(value)
    raise ConfigError(f"{option} must be a whole number of 1 or more: {value!r}")


def require_one_of(part: Part, option: str, allowed: tuple[str, ...]) -> None:
    """Raise `ConfigError` unless the part's option has one of these values; None is `none`, where
    that is one of them."""
    value = getattr(part, option)
    if value is None and "none" in allowed:
        setattr(part, option, "none")
        return
    require(
        isinstance(value, str) and value in allowed,
        f"{part.name}: {option}={value!r} is not one of: {', '.join(allowed)}",
    )


_NUMBERS: dict[str, tuple[Any, str]] = {
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "bool": ((bool, np.bool_), "true or false"),
}
"""How an option of numbers is annotated, what may be given, and how errors speak of it."""


def _check_type(option: str, annotation: Any, value: object) -> None:
    kind, _, other = str(annotation).partition(" | ")
    if kind not in _NUMBERS or other not in ("", "None") or (other and value is None):
        return
    types, named = _NUMBERS[kind]
    fits = isinstance(value, types) and (kind == "bool" or not isinstance(value, (bool, np.bool_)))
    named += " or none" if other else ""
    require(fits, f"{option} must be {named}: {value!r}")
