"""`label-words`: a class is the word, or the words, that stand for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.heads.base import heads
from tsprompt.heads.class_words import spell_words, words_of_classes
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.verbalizer import Verbalizer

__all__ = ["LabelWords"]


@heads.register("label-words")
@dataclass
class LabelWords(Verbalizer):
    """The verbalizer of PET (Schick and Schuetze 2021): each class is told by words given for it.

    The words are the names of the classes (a number is a word too; of a name of several pieces, the
    first is taken), unless others are given.
    """

    without_cases: ClassVar[str | None] = "label-words:fitted=false"

    words: str | None = None
    """``calm|mild/soft|wild`` for the classes in sorted order, or by name, ``1:calm|2:mild/soft``;
    None: the names of the classes."""
    fitted: bool = True
    """Fit a temperature and a bias for each class on train; false: take the words' scores as they
    are, and learn nothing from labels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.words = spell_words(self.words)

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Find the scorer, and the words of the classes in the vocabulary."""
        super().meet(backbone, classes=classes)
        self.met_ids = words_of_classes(self.words, classes, backbone.words, self.name)

    @property
    def class_words(self) -> list[int]:
        """The first word of each class."""
        return [own[0] for own in self.met_ids]

    def choose(self, evidence: Tensor, lesson: Lesson) -> list[list[int]]:
        """Those that are given."""
        return self.met_ids

    @property
    def needs_cases(self) -> bool:
        """As it is asked for."""
        return self.fitted
