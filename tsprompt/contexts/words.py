"""Which words of the vocabulary stand for classes or marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import FRAME
from tsprompt.base.part import require
from tsprompt.errors import ConfigError, Setting

__all__ = ["find_word", "given_words", "named_or_drawn", "needs_mask"]

_MARKS = ("", "Ġ", "▁")
"""What vocabularies put before a word that begins anew."""


def find_word(name: str, backbone: Backbone) -> int | None:
    """The id of a word, as it is written or in small letters; None if it is not one token."""
    spellings = dict.fromkeys([name, name.lower()])
    found = [backbone.words.id(mark + one) for one in spellings for mark in _MARKS]
    return next(
        (one for one in found if one is not None and one not in backbone.words.special), None
    )


def needs_mask(part: str, backbone: Backbone) -> None:
    """Raise `ConfigError` unless the model answers at a mask between `[CLS]` and `[SEP]`."""
    require(
        backbone.family.frame == FRAME,
        Setting("context", part),
        f" puts its words around [MASK] and [SEP], and {backbone.name} is a model without them; "
        "use an encoder such as minilm, or ",
        Setting("context", "none"),
    )


def given_words(words: Sequence[str], part: str, backbone: Backbone) -> list[int]:
    """The ids of words that were asked for.

    Raises
    ------
    ConfigError
        One of them is no single token of the vocabulary, or two are the same.
    """
    ids = []
    for word in words:
        number = find_word(str(word), backbone)
        if number is None:
            raise ConfigError(
                f"{part}: {word!r} is not one word of the vocabulary of {backbone.name}; "
                "give another word, or leave words out"
            )
        ids.append(number)
    require(len(set(ids)) == len(ids), f"{part}: words names the same word twice: {list(words)}")
    return ids


def named_or_drawn(names: Sequence[str], backbone: Backbone, rng: np.random.Generator) -> list[int]:
    """For each name its word, where it is one of the vocabulary, else a word drawn at random.

    All are distinct.

    Raises
    ------
    ConfigError
        The vocabulary has too few words.
    """
    found = [find_word(name, backbone) for name in names]
    # Two names may share a word ("A", "a"): only the first keeps it.
    ids = [one if one not in found[:i] else None for i, one in enumerate(found)]
    taken = {one for one in ids if one is not None}
    free = [one for one in backbone.words.plain if one not in taken]
    missing = ids.count(None)
    require(
        missing <= len(free),
        f"the vocabulary of {backbone.name} has {len(free)} words for {missing} names",
    )
    drawn = iter(rng.choice(free, size=missing, replace=False).tolist() if missing else [])
    return [next(drawn) if one is None else one for one in ids]
