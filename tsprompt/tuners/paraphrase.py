"""`paraphrase`: the template that was written, in the words of a model that translates or
rewords."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from tsprompt import progress
from tsprompt.backbones.writer import open_writer
from tsprompt.base.part import require
from tsprompt.errors import Setting
from tsprompt.heads.lesson import Labels
from tsprompt.prompts.manual import Manual
from tsprompt.tuners.base import Problem, tuners
from tsprompt.tuners.templates import TemplateSearch

__all__ = ["Paraphrase"]

_STANDS = {"{series}": "X", "[MASK]": "Y"}
"""What stands in a sentence for what is no word, as in Jiang et al.'s prompts."""


@tuners.register("paraphrase")
@dataclass
class Paraphrase(TemplateSearch):
    """Paraphrases of the prompt's own template by back-translation (Jiang et al. 2020, section
    3.2).

    A model translates the sentence into another language, in `beam` ways, and a second one
    translates each of them `back`, in as many. A paraphrase t' of t by way of s has the
    probability P(s | t) P(t' | s); the likeliest are compared on train, after the template as it
    was written. Those in which X and Y, which stand for series and mask, don't come back once each
    are passed over.

    With one `model` alone, and no `back`, that model is asked for paraphrases itself.
    """

    needs: ClassVar[str] = (
        "models that translate or reword: --tuner paraphrase:model=FOLDER,back=FOLDER"
    )
    quick: ClassVar[dict[str, Any]] = {"draws": 2, "beam": 2}

    model: str = "Helsinki-NLP/opus-mt-en-de"
    """The first model: a folder, or a name on the hub."""
    back: str | None = None
    """The model that translates back, such as Helsinki-NLP/opus-mt-de-en; None: there is no second
    way to go."""
    ask: str = ""
    """What stands before the sentence, for a model that must be told its task, such as
    `paraphrase: `."""
    beam: int = 8
    """In how many ways each model says a sentence."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.model, self.ask = str(self.model), str(self.ask)
        self.back = None if self.back is None else str(self.back)
        require(self.beam >= 1, "paraphrase: beam must be 1 or more")

    def propose(self, problem: Problem, learn: Labels) -> Iterator[str]:
        """The template as it is written, then its paraphrases, the likeliest first. Of train,
        nothing is asked."""
        prompt = problem.prompt
        assert isinstance(prompt, Manual)  # it finds no other
        yield prompt.template
        sentence = prompt.template
        for mark, stand in _STANDS.items():
            sentence = sentence.replace(mark, stand)
        said = self._said(self.model, self.ask + " ".join(sentence.split()), problem)
        if self.back is not None:
            ways, said = said, []
            for number, (text, score) in enumerate(ways):
                said += [(one, score + more) for one, more in self._said(self.back, text, problem)]
                progress.report("paraphrasing", number + 1, len(ways))
        best: dict[str, float] = {}
        for text, score in said:
            best[text] = max(score, best.get(text, -float("inf")))
        for text in sorted(best, key=lambda one: -best[one]):
            if (template := _marked(text)) is not None:
                yield template

    def _said(self, name: str, text: str, problem: Problem) -> list[tuple[str, float]]:
        option = Setting("tuner", "paraphrase:model=FOLDER,back=FOLDER")
        writer = open_writer(name, str(problem.reader.backbone.device), option)
        return writer.rewrite(text, self.beam, longest=4 * self.longest)


def _marked(text: str) -> str | None:
    """The template that a sentence with X and Y is; None, if it has not each of them once."""
    for mark, stand in _STANDS.items():
        text, count = re.subn(rf"(?<!\w){stand}(?!\w)", mark, text)
        if count != 1:
            return None
    return text
