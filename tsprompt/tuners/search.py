"""`search`: draw hard prompts at random, keep the best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from tsprompt.backbones.template import Prompt
from tsprompt.base.best_so_far import Best
from tsprompt.base.part import Part, require
from tsprompt.base.state import Figures
from tsprompt.tuners.base import Found, Problem, Tuner, tuners

__all__ = ["Search"]


@tuners.register("search")
@dataclass
class Search(Tuner):
    """Random search. The draws under which the head's validation loss is least win.

    With the `mlp` head this is the loop of the original experiments: the head trains on a prompt
    until its validation loss has not improved for the head's `patience` epochs, then a new prompt
    is drawn. The language model is frozen, so what it says under a prompt is computed once, not
    once in every epoch.
    """

    streams: ClassVar[bool] = True
    placebo: ClassVar[str] = "the choice: as many draws are judged, and the first are kept"

    quick: ClassVar[dict[str, Any]] = {"draws": 3}

    draws: int = 10
    """The most prompts that are tried."""
    patience: int | None = None
    """Draws without improvement after which the search ends; None: all are tried."""
    restarts: int = 0
    """How often it begins anew after that, with the draws that are left."""
    keep: int = 1
    """The best prompts that are kept; their features are put side by side."""

    class State(Part.State, total=False):
        """What fitting has learned."""

        losses_: Figures

    def __post_init__(self) -> None:
        require(self.draws >= 1, "search: draws must be 1 or more")
        require(self.patience is None or self.patience >= 1, "search: patience must be 1 or more")
        require(self.restarts >= 0, "search: restarts must be 0 or more")
        require(
            1 <= self.keep <= self.draws,
            "search: keep must be 1 or more, and no more than there are draws",
        )

    @property
    def n_found(self) -> int:
        """As many as are kept."""
        return self.keep

    def find(self, problem: Problem) -> list[Found]:
        """The best of the draws."""
        best: list[tuple[float, int, Found]] = []
        self.losses_: list[float] = []
        streak, restarts = Best(None, self.patience), self.restarts
        for number, prompt in enumerate(self.candidates(problem)):
            found = problem.read(prompt, f"draw {number + 1} of {self.draws}")
            loss = self.judge(problem, found)
            self.losses_.append(loss)
            rank = self.rank(problem, number, loss)
            best = sorted([*best, (rank, number, found)], key=lambda one: one[:2])[: self.keep]
            streak.offer(loss)
            if not streak.exhausted or len(best) < self.keep:
                continue
            if not restarts:
                break
            streak, restarts = Best(None, self.patience), restarts - 1
        return [found for _, _, found in best]

    def candidates(self, problem: Problem) -> Iterator[Prompt]:
        """The prompts that are tried, in this order."""
        return (problem.draw(number) for number in range(self.draws))

    def judge(self, problem: Problem, found: Found) -> float:
        """By what they are compared: the less, the better."""
        return problem.validation_loss(found)

    def rank(self, problem: Problem, number: int, loss: float) -> float:
        """What is kept has the least of it. The draws are random already: a placebo keeps the
        first, whatever was said of them."""
        return float(number) if problem.placebo else loss

    def report(self) -> dict[str, float]:
        """Validation losses over the draws."""
        return {
            "draws": float(len(self.losses_)),
            "best draw's validation loss": min(self.losses_),
            "worst draw's validation loss": max(self.losses_),
        }
