"""The vocabulary of a backbone, or what stands for it where there is none; words found in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from tsprompt.base.part import require
from tsprompt.errors import ConfigError, Setting, counted

__all__ = ["NoWords", "Words", "encode_text", "find_word", "find_words", "named_or_drawn"]

_MARKS = ("", "Ġ", "▁")
"""What vocabularies put before a word that begins anew."""


class Words:
    """The vocabulary of a backbone: ids to words, words to ids, and the special ones.

    `cls`, `mask` and `sep` are the ids of what stands in these three slots of a template. A model
    that has no such tokens puts others there: its family says which.
    """

    def __init__(self, tokenizer: Any, *, cls: int, mask: int, sep: int) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, int] = tokenizer.get_vocab()
        self._words = {number: word for word, number in self._ids.items()}
        self.cls, self.mask, self.sep = cls, mask, sep
        self.unknown: int | None = tokenizer.unk_token_id
        self.special = frozenset(map(int, tokenizer.all_special_ids))

    def __len__(self) -> int:
        return len(self._ids)

    def equals(self, other: Words) -> bool:
        """Whether both have the same words with the same ids, in the same slots."""
        return type(self) is type(other) and all(
            getattr(self, name) == getattr(other, name)
            for name in ("cls", "mask", "sep", "special", "_ids")
        )

    def word(self, number: int) -> str:
        """The word of an id, as the vocabulary spells it."""
        return self._words.get(number, f"<{number}>")

    def id(self, word: str) -> int | None:
        """The id of a word, or None if it is not one token of this vocabulary."""
        return self._ids.get(word)

    def encode(self, text: str) -> list[int]:
        """Ids of a text's tokens, without special ones around it."""
        return [int(one) for one in self._tokenizer.encode(text, add_special_tokens=False)]

    def rest(self) -> None:
        """Let go of what reading texts takes in memory, where it can be made again: texts are read
        when a model is fitted or loaded, and seldom later."""
        rest = getattr(self._tokenizer, "rest", None)
        if rest is not None:
            rest()

    def pieces(self, word: str) -> list[int]:
        """Ids of the tokens that a word within a sentence is read as."""
        # Vocabularies that mark the start of a word see it by the space.
        return self.encode(f" {word}")

    def knows(self, text: str) -> bool:
        """Whether a text is all tokens of this vocabulary, whole words or pieces of them."""
        return self.unknown is None or self.unknown not in self.encode(text)

    @cached_property
    def plain(self) -> list[int]:
        """Ids of whole words of letters: no special tokens, pieces, digits or unused entries."""
        return sorted(
            number
            for word, number in self._ids.items()
            if number not in self.special and word.lstrip("Ġ▁").isalpha()
        )


class NoWords(Words):
    """What a model of images has instead: one entry, its [CLS], and no word."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ids, self._words = {}, {0: "[CLS]"}
        self.cls = self.mask = self.sep = 0
        self.special = frozenset({0})

    def rest(self) -> None:
        """It reads no texts."""

    @cached_property
    def plain(self) -> list[int]:
        """None: asking for them is a mistake.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            f"{self._name} reads images and has no words; use ",
            Setting("prompt", "none"),
            ", or a prompt of vectors that are drawn at random",
        )


class HasWords(Protocol):
    """What looking words up takes of a backbone."""

    @property
    def name(self) -> str:
        """As errors call it."""

    @property
    def words(self) -> Words:
        """Its vocabulary."""


def encode_text(text: str, backbone: HasWords, name: str) -> list[int]:
    """Ids of a text's tokens, without special ones; `name`: the prompt that it was written for.

    Raises
    ------
    ConfigError
        A word is not in the vocabulary, and can't be spelled with its pieces either.
    """
    unknown = [word for word in text.split() if not backbone.words.knows(word)]
    require(
        not unknown,
        f"{name}: the vocabulary of {backbone.name} can't spell {', '.join(map(repr, unknown))}; "
        "use other words",
    )
    return backbone.words.encode(text)


def find_word(name: str, backbone: HasWords) -> int | None:
    """The id of a word, as it is written or in small letters; None if it is not one token."""
    spellings = dict.fromkeys([name, name.lower()])
    found = [backbone.words.id(mark + one) for one in spellings for mark in _MARKS]
    return next(
        (one for one in found if one is not None and one not in backbone.words.special), None
    )


def find_words(words: Sequence[str], part: str, backbone: HasWords) -> list[int]:
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


def named_or_drawn(names: Sequence[str], backbone: HasWords, rng: np.random.Generator) -> list[int]:
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
        f"the vocabulary of {backbone.name} has {counted(len(free), 'word')} for "
        f"{counted(missing, 'name')}",
    )
    drawn = iter(rng.choice(free, size=missing, replace=False).tolist() if missing else [])
    return [next(drawn) if one is None else one for one in ids]
