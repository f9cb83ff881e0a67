"""`optiprompt`: words that a search has found start vectors that are trained."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from tsprompt.base.part import require
from tsprompt.base.state import Figure
from tsprompt.prompts.hard import Hard
from tsprompt.tuners.base import Choices, Found, Problem, Tuner, tuners, tuners_for
from tsprompt.tuners.gradient import Gradient

__all__ = ["OptiPrompt"]


@tuners.register("optiprompt")
@dataclass
class OptiPrompt(Gradient):
    """Vectors that start from the embeddings of words that were found (Zhong et al. 2021).

    A search for words of a hard prompt of as many slots comes first, by default AutoPrompt's; then
    the words' embeddings are trained as `gradient` does. Where there is a prompt to start from,
    nothing is searched.
    """

    finds: ClassVar[tuple[str, ...]] = ("soft",)
    placebo: ClassVar[str] = "the words, as they were drawn, and the direction of each step"
    quick: ClassVar[dict[str, Any]] = {
        "epochs": 2,
        "hidden": 8,
        "search": "trigger:epochs=1,swaps=1,candidates=2",
    }

    search: str = "trigger"
    """The tuner that finds the words, with its options: `trigger`, `policy` or `search`."""

    class State(Gradient.State, total=False):
        """What fitting has learned."""

        search_: dict[str, Figure]

    def __post_init__(self) -> None:
        super().__post_init__()
        able = [name for name in tuners_for(Hard) if name != "none"]
        require(
            self._searcher().name in able,
            f"optiprompt: search={self.search!r} finds no words; use one of: {', '.join(able)}",
        )

    def _searcher(self) -> Tuner:
        return tuners.build(self.search)

    def check(self, design: Choices) -> None:
        """See that the search goes together with the other choices."""
        super().check(design)
        self._searcher().check(design)

    @property
    def min_per_class(self) -> int:
        """What either of the two needs."""
        return max(super().min_per_class, self._searcher().min_per_class)

    def find(self, problem: Problem) -> list[Found]:
        """Search words, and train their embeddings."""
        self.search_: dict[str, float] = {}
        if problem.start is not None:
            return super().find(problem)
        words = self.search_words(problem)
        started = dataclasses.replace(problem, start=words.reading.prompt)
        module = started.module(0)
        # The same vectors as the words': what they make the model say is known.
        reading = dataclasses.replace(words.reading, prompt=module.prompt())
        return self.train(started, module, Found(reading, words.features))

    def search_words(self, problem: Problem) -> Found:
        """The words of a hard prompt for the same slots, placed in the same way; in a placebo the
        first draw, whatever was found."""
        searcher, soft = self._searcher(), problem.prompt
        hard = Hard(length=soft.length, placement=soft.placement)
        sought = dataclasses.replace(problem, prompt=hard)
        words, *_ = searcher.find(sought)
        self.search_ = searcher.report()
        return sought.read(sought.draw(0), "first draw") if problem.placebo else words

    def report(self) -> dict[str, float]:
        """Also of the search."""
        return {**self.search_, **super().report()}
