"""The vocabulary of a backbone, or what stands for it where there is none."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from tsprompt.errors import ConfigError, Setting

__all__ = ["NoWords", "Words"]


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

    def word(self, number: int) -> str:
        """The word of an id, as the vocabulary spells it."""
        return self._words.get(number, f"<{number}>")

    def id(self, word: str) -> int | None:
        """The id of a word, or None if it is not one token of this vocabulary."""
        return self._ids.get(word)

    def encode(self, text: str) -> list[int]:
        """Ids of a text's tokens, without special ones around it."""
        return [int(one) for one in self._tokenizer.encode(text, add_special_tokens=False)]

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
