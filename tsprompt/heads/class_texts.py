"""`class-texts`: the class whose text a CLIP finds most like the plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tsprompt.backbones import Backbone
from tsprompt.backbones.text_scorer import text_scorer
from tsprompt.base.part import require
from tsprompt.heads.base import heads
from tsprompt.heads.class_words import spell_words, texts_of_classes
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.verbalizer import ClassScores

__all__ = ["ClassTexts", "written"]

_CLASS = "{class}"


@heads.register("class-texts")
@dataclass
class ClassTexts(ClassScores):
    """CLIP's zero-shot classifier (Radford et al. 2021): no label is learned from.

    ``P(c | plot) = softmax_c(exp(t) cos(image, text_c))``; text_c is the mean of the embeddings of
    all templates filled with the class's text, each brought to length 1, and so is the mean.
    """

    needs_texts: ClassVar[bool] = True
    without_cases: ClassVar[str | None] = "class-texts"

    texts: str | None = None
    """What stands for each class in a template: ``a falling line|a wave`` in the order of the
    sorted classes, or by name, ``1:a falling line|2:a wave``; several of a class are separated by
    ``/``. None: the names of the classes."""
    templates: str = "a plot of {class}"
    """Texts with `{class}` in them, separated by ``|``; their embeddings are averaged."""
    calibrate: bool = False
    """Take off each class's mean score over train, or over the cases without labels, so that a text
    that is like every plot does not win each time (Zhao et al. 2021)."""

    def __post_init__(self) -> None:
        self.texts, self.templates = spell_words(self.texts), str(spell_words(self.templates))
        for one in self.templates.split("|"):
            require(
                one.count(_CLASS) == 1,
                f"{self.name}: the template {one!r} has "
                f"{'no' if _CLASS not in one else 'more than one'} {_CLASS}; write it once, as in "
                f'"a plot of {_CLASS}"',
            )

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Read the texts of the classes."""
        named = texts_of_classes(self.texts, classes, self.name)
        told = [written(self.templates, own) for own in named]
        self.hear(text_scorer(backbone, told), classes)
        self.met_texts = named

    def choose(self, evidence: Any, lesson: Lesson) -> list[list[int]]:
        """A class has one vector, that of its texts."""
        return [[number] for number in range(len(self.met_classes))]

    def _names(self, ids: Sequence[Sequence[int]]) -> list[list[str]]:
        return [self.met_texts[number] for (number,) in ids]

    @property
    def needs_cases(self) -> bool:
        """Never: the texts say all."""
        return False


def written(templates: str, words: Sequence[str]) -> list[str]:
    """All templates filled with all words."""
    return [one.strip().replace(_CLASS, word) for one in templates.split("|") for word in words]
