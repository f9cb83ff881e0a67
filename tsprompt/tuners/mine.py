"""`mine`: templates out of the sentences of a corpus."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tsprompt.base.part import require, several
from tsprompt.errors import ConfigError, InputError, Setting
from tsprompt.heads.lesson import Labels
from tsprompt.tuners.base import Problem, tuners
from tsprompt.tuners.templates import TemplateSearch, words_of

__all__ = ["Mine", "mined"]

_END = re.compile(r"(?<=[.!?])\s+")
_PAUSE = re.compile(r"[,;:()\"]|\s-\s")
_MARKS = re.compile(r"[{}\[\]]")


@tuners.register("mine")
@dataclass
class Mine(TemplateSearch):
    """Templates that are mined, as Jiang, Xu, Araki and Neubig (2020, section 3.1) mine them for
    relations.

    There, sentences of Wikipedia that name both ends of a relation become prompts. Here, those of a
    text file that have a word for a series and a word for a class:

        The signal is clearly rising.        ->  {series} is clearly [MASK]

    by the words between both, and, where these say too little, by the clause that both stand in:

        In winter the signal was rising.     ->  in winter the {series} was [MASK]

    Those that are found most often are compared on train; the `keep` best are put side by side, or
    vote, by the logarithms of what they say (`vote:how=log-mean`).
    """

    needs: ClassVar[str] = "a text file with sentences: --tuner mine:corpus=FILE"
    quick: ClassVar[dict[str, Any]] = {"draws": 3}

    draws: int = 20
    """The most templates that are compared, those that are found most often."""
    corpus: str | None = None
    """A text file with sentences, several in a line or one, in UTF-8. It is read while the prompt
    is sought, and a saved model does not need it."""
    about: tuple[str, ...] = (
        "series",
        "signal",
        "curve",
        "pattern",
        "trend",
        "wave",
        "measurement",
    )
    """Words that stand for a series in it, joined by `+`."""
    words: tuple[str, ...] | None = None
    """Words that stand for classes in it, joined by `+`; None: the head's own words, or what the
    classes are called."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.about = tuple(map(str, several(self.about)))
        self.words = None if self.words is None else tuple(map(str, several(self.words)))
        require(bool(self.about), "mine: about must name a word")

    def propose(self, problem: Problem, learn: Labels) -> Iterator[str]:
        """What the corpus says, the most frequent first. Of train only the classes' words are
        asked.

        Raises
        ------
        ConfigError
            There is no such file, or it is no text.
        InputError
            No sentence has a word of both kinds.
        """
        words = self.words or tuple(words_of(problem))
        found: Counter[str] = Counter()
        for sentence in self._sentences():
            found.update(mined(sentence, self.about, words))
        if not found:
            raise InputError(
                f"mine: no sentence of {self.corpus} has one of the words {', '.join(self.about)} "
                f"and one of {', '.join(words)}; name others, as by ",
                Setting("tuner", "mine:about=signal+curve,words=rising+falling"),
            )
        yield from (template for template, _ in found.most_common())

    def _sentences(self) -> Iterator[str]:
        """Those of the corpus; the end of a line ends one, too."""
        if self.corpus is None:
            raise ConfigError(
                "mine: templates are mined from sentences; give a text file of them, ",
                Setting("tuner", "mine:corpus=FILE"),
            )
        try:
            with Path(self.corpus).expanduser().open(encoding="utf-8") as file:
                for line in file:
                    yield from _END.split(line)
        except OSError as error:
            raise ConfigError(f"mine: {self.corpus} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"mine: {self.corpus} is no text in UTF-8") from None


def mined(sentence: str, about: tuple[str, ...], words: tuple[str, ...]) -> list[str]:
    """The templates in a sentence, in small letters: none, where it lacks a word of either kind.

    Parameters
    ----------
    about
        Words that stand for a series.
    words
        Words that stand for a class.
    """
    clauses = _PAUSE.split(_MARKS.sub("", sentence).lower().strip(" .!?"))
    found = []
    for clause in (" ".join(clause.split()) for clause in clauses):
        series, answer = _first(about, clause), _first(words, clause)
        if series is None or answer is None or _overlap(series, answer):
            continue
        (first, one), (last, other) = sorted([(series, "{series}"), (answer, "[MASK]")])
        between = clause[first[1] : last[0]]
        if between.strip():
            found.append(f"{one}{between}{other}")
        whole = f"{clause[: first[0]]}{one}{between}{other}{clause[last[1] :]}"
        found.append(whole)
    return list(dict.fromkeys(found))


def _first(words: tuple[str, ...], text: str) -> tuple[int, int] | None:
    """Where the first of these words, in small letters, stands in a text."""
    either = "|".join(re.escape(one.lower()) for one in sorted(words, key=len, reverse=True))
    match = re.search(rf"(?<!\w)(?:{either})(?!\w)", text)
    return match.span() if match else None


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
