"""Which words, or texts, stand for a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tsprompt.backbones.base import Words
from tsprompt.base.part import require

__all__ = ["parse_words", "spell_words", "texts_of_classes", "words_of_classes"]


def spell_words(words: Any) -> str | None:
    """The option `words` as text, whether it was given as text, list or dict."""
    if words is None or isinstance(words, str):
        return words
    if isinstance(words, Mapping):
        return "|".join(f"{key}:{_several(value)}" for key, value in words.items())
    if isinstance(words, (list, tuple)):
        return "|".join(map(_several, words))
    return str(words)


def _several(words: Any) -> str:
    return "/".join(map(str, words)) if isinstance(words, (list, tuple)) else str(words)


def texts_of_classes(words: str | None, classes: Sequence[str], part: str) -> list[list[str]]:
    """The words, or texts, that stand for each class: those that are given, as `words_of_classes`
    takes them, or its name.

    Raises
    ------
    ConfigError
        A class has none.
    """
    return [[name] for name in classes] if words is None else parse_words(words, classes, part)


def words_of_classes(
    words: str | None, classes: Sequence[str], vocabulary: Words, part: str
) -> list[list[int]]:
    """Ids of the words that stand for each class.

    Parameters
    ----------
    words
        ``calm|mild|wild``, in the order of the classes, or ``1:calm|2:mild/soft``, by name; words
        of one class are separated by ``/``. None: a class is its own name, or, if that is no single
        word of the vocabulary, its first piece.

    Raises
    ------
    ConfigError
        Something is no word of the vocabulary, a class has none, or two classes share one.
    """
    given = texts_of_classes(words, classes, part)
    found: list[list[int]] = []
    lacking: list[str] = []
    for own in given:
        pieces = [_known(vocabulary.pieces(word), vocabulary) for word in own]
        lacking += [
            word
            for word, ids in zip(own, pieces, strict=True)
            if not ids or (words is not None and len(ids) > 1)
        ]
        found.append([ids[0] for ids in pieces if ids])
    derived = "; give words that are, by words=one|another|..., in the order of the classes"
    require(
        not lacking,
        f"{part}: {', '.join(map(repr, lacking))} "
        + ("are no words" if len(lacking) > 1 else "is no word")
        + f" of the model's vocabulary{derived if words is None else '; give others'}",
    )
    _check_distinct(found, classes, vocabulary, part)
    return found


def _known(ids: list[int], vocabulary: Words) -> list[int]:
    """Nothing, if the model would read one of them as unknown."""
    return [] if any(one in vocabulary.special for one in ids) else ids


def parse_words(words: str, classes: Sequence[str], part: str) -> list[list[str]]:
    """The words of each class, as `words_of_classes` reads them.

    Raises
    ------
    ConfigError
        They are for other classes, or leave one without a word.
    """
    items = [item.strip() for item in words.split("|")]
    if all(":" in item for item in items):
        pairs = dict(item.rsplit(":", 1) for item in items)
        unknown = [name for name in pairs if name not in classes]
        require(not unknown, f"{part}: words name classes that there are not: {', '.join(unknown)}")
        absent = [name for name in classes if name not in pairs]
        require(not absent, f"{part}: words name none for the classes {', '.join(absent)}")
        items = [pairs[name] for name in classes]
    require(
        len(items) == len(classes),
        f"{part}: words={words!r} are for {len(items)} class{'es' if len(items) > 1 else ''}, but "
        f"there are {len(classes)}: "
        f"{', '.join(classes)}; separate classes by | and words of one class by /",
    )
    split = [[one.strip() for one in item.split("/") if one.strip()] for item in items]
    require(all(split), f"{part}: words={words!r} leave a class without a word")
    return split


def _check_distinct(
    found: list[list[int]], classes: Sequence[str], vocabulary: Words, part: str
) -> None:
    owner: dict[int, str] = {}
    for name, own in zip(classes, found, strict=True):
        for one in own:
            other = owner.setdefault(one, name)
            require(
                other == name,
                f"{part}: {vocabulary.word(one)!r} would stand for the classes {other} and {name}; "
                "give each its own word, by words=one|another|..., in the order of the classes",
            )
