"""Parts as text: reading a spec and spelling one. No other file takes a spec apart.

A part is written as ``name`` or ``name:option=value,option=value``, on the command line and in
Python alike::

    tokenizer="kernels"
    tokenizer="kernels:length=7,steps=32"

A value is a number, ``true``, ``false``, ``none`` or a text; ``+`` separates the items of a list.
A text with signs that mean something here stands in double quotes, as in JSON::

    prompt='manual:template="a wave, {series}, of [MASK]."'
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tsprompt.errors import ConfigError

__all__ = [
    "differing",
    "join_texts",
    "merge_specs",
    "name_in",
    "options_in",
    "parse_spec",
    "spell_spec",
    "spell_value",
    "split_specs",
    "split_texts",
    "type_value",
]

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SIGNS = re.compile(r'[,+="\\]|^$|^-?\d')
"""What a text is quoted for, besides reading as another value than itself."""


# --- reading ---


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """The name in a spec, and its options with their values.

    Raises
    ------
    ConfigError
        An item is not ``option=value``.
    """
    name, _, rest = spec.partition(":")
    options: dict[str, Any] = {}
    for item in _split(rest, ","):
        _, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(
                f"{item!r} in {spec!r} is not option=value; write name:option=value,option=value"
            )
        options[_option(item)] = _parse_value(value)
    return name.strip(), options


def name_in(spec: str) -> str:
    """The name of the part that a spec describes."""
    return spec.partition(":")[0].strip()


def options_in(spec: str) -> str:
    """The text of a spec's options; empty where it gives none."""
    return spec.partition(":")[2]


def split_specs(text: str) -> list[str]:
    """Split `a:x=1,y=2,b` at the commas before a name: an item with `=` but no `:` before it is an
    option of the spec before."""
    specs: list[str] = []
    for item in filter(None, (one.strip() for one in _split(text, ","))):
        name, equals, _ = item.partition("=")
        if specs and equals and ":" not in name:
            specs[-1] += f",{item}"
        else:
            specs.append(item)
    return specs


def split_texts(text: str) -> list[str]:
    """The texts that `join_texts` has joined."""
    items = [one.strip() for one in _split(text, "+")]
    return [json.loads(one) if one.startswith('"') else one for one in items if one]


# --- spelling ---


def spell_spec(name: str, options: Mapping[str, Any]) -> str:
    """The text that `parse_spec` reads as this name and these options."""
    items = [f"{option}={spell_value(value)}" for option, value in options.items()]
    return name + (":" + ",".join(items) if items else "")


def spell_value(value: Any) -> str:
    """One value; a tuple or list by its items, joined by ``+``."""
    if isinstance(value, (tuple, list)):
        return "+".join(map(spell_value, value)) or "none"
    if isinstance(value, str):
        plain = not _SIGNS.search(value) and _parse_one(value) == value
        return value if plain else json.dumps(value)
    if isinstance(value, float):
        return str(value).replace("e+", "e") if math.isfinite(value) else json.dumps(value)
    return str(value)


def type_value(value: Any) -> str:
    """One value as a person would type it: the same, with none, true and false in small letters."""
    text = spell_value(value)
    return text.lower() if value is None or isinstance(value, bool) else text


def join_texts(texts: Iterable[object]) -> str:
    """One text of several, joined by ``+`` and quoted where needed: `split_texts` parts them."""
    return "+".join(spell_value(str(one)) for one in texts)


# --- two specs ---


def merge_specs(base: str, given: str) -> str:
    """`given`, with those options of `base` that it leaves open, if both name the same part."""
    if name_in(base) != name_in(given):
        return given
    items = _items(base) | _items(given)
    return ":".join(filter(None, (given.partition(":")[0], ",".join(items.values()))))


def differing(spec: str, other: str) -> tuple[str, str]:
    """The options of two specs in which they differ; the whole specs, if they name two parts."""
    (name, options), (second, others) = parse_spec(spec), parse_spec(other)
    if name != second:
        return spec, other
    names = [one for one in options if options[one] != others.get(one)]
    texts = _items(spec), _items(other)
    first, last = (",".join(text[one] for one in names if one in text) for text in texts)
    return f"{name}:{first}", f"{name}:{last}"


# --- signs ---


def _split(text: str, sign: str) -> list[str]:
    """Split at a sign that stands outside of quotes."""
    return re.findall(rf"(?:{_QUOTED}|[^{sign}])+", text)


def _items(spec: str) -> dict[str, str]:
    """Option -> the text that gives it."""
    return {_option(item): item for item in _split(options_in(spec), ",")}


def _option(item: str) -> str:
    return item.partition("=")[0].strip().replace("-", "_")


def _parse_value(text: str) -> Any:
    if "+" in re.sub(_QUOTED, "", text):
        return [_parse_one(one) for one in _split(text, "+")]
    return _parse_one(text)


def _parse_one(text: str) -> Any:
    text = text.strip()
    if text.lower() in ("none", "null"):
        return None
    try:
        return json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text
