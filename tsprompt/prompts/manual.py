"""`manual`: a prompt that a person has written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.backbones.vocabulary import encode_text
from tsprompt.base.part import require
from tsprompt.prompts.base import PromptModel, prompts

__all__ = ["Manual", "Written", "check_template", "written_in"]

_MARKS = ("{series}", "[MASK]")
_SERIES, _MASK = _MARKS


@prompts.register("manual")
@dataclass
class Manual(PromptModel):
    """The words of a template, as they are written.

    ``the pattern {series} is [MASK].`` puts two words before the series and three tokens and the
    mask behind it. The words are cut into tokens by the backbone's own tokenizer; there are as many
    slots as tokens. With `per-step` all the words, in order, stand before every step, and the mask
    at the end, wherever the template has them.
    """

    tuners: ClassVar[tuple[str, ...]] = ("none",)
    refuses: ClassVar[tuple[str, ...]] = ("length", "placement")

    template: str = "the pattern {series} is [MASK]."
    """Words, with `{series}` where the data goes, and `[MASK]` where the model answers."""

    def __post_init__(self) -> None:
        self.template = str(self.template)
        check_template(self.template, self.name)
        require(
            self.length is None,
            f"{self.name}: length={self.length} has no meaning: there are as many slots as the "
            "template has tokens; leave it out",
        )
        require(
            self.placement == "around",
            f"{self.name}: placement has no meaning: the template says where words and mask stand; "
            "leave it out",
        )

    def slots_of(self, backbone: Backbone, default: int) -> int:
        """As many as the words have tokens.

        Raises
        ------
        ConfigError
            The vocabulary can't spell a word.
        """
        return len(self.written(backbone))

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """The words; again for each step, where there are more slots than words."""
        written = self.written(backbone)
        return Prompt(
            ids=torch.from_numpy(np.resize(np.array(written.ids, dtype=np.int64), slots)),
            before=written.before,
            mask=written.mask,
        )

    def written(self, backbone: Backbone) -> Written:
        """The template in tokens of this backbone."""
        return written_in(self.template, backbone, self.name)


def check_template(template: str, part: str) -> None:
    """See that a template says once where the series and the mask stand.

    Raises
    ------
    ConfigError
        It does not.
    """
    for mark in _MARKS:
        count = template.count(mark)
        require(
            count == 1,
            f"{part}: the template {template!r} has {count or 'no'} {mark}; write it once, as in "
            f'"the pattern {_SERIES} is {_MASK}."',
        )


@dataclass(frozen=True)
class Written:
    """A template in tokens."""

    ids: list[int]
    """Of all words, in order."""
    before: int
    """How many of the words and the mask precede the series."""
    mask: int
    """How many words precede the mask."""

    def __len__(self) -> int:
        return len(self.ids)


def written_in(template: str, backbone: Backbone, part: str) -> Written:
    """A template in tokens of this backbone.

    Raises
    ------
    ConfigError
        The vocabulary can't spell a word.
    """
    words: list[int] = []
    marks: list[str] = []
    places = dict.fromkeys(_MARKS, 0)
    for piece in re.split(f"({'|'.join(map(re.escape, _MARKS))})", template):
        if piece in _MARKS:
            places[piece] = len(words)
            marks.append(piece)
        elif piece.strip():
            # Some vocabularies tell a word that a space precedes from one that begins a text.
            space = " " if piece[0].isspace() else ""
            words += encode_text(space + piece.strip(), backbone, part)
    mask_first = marks[0] == _MASK
    return Written(words, places[_SERIES] + mask_first, places[_MASK])
