"""`search`: draw hard prompts at random, keep the best."""

from __future__ import annotations

from dataclasses import dataclass

from tsprompt.part import require
from tsprompt.tuners.base import Found, Problem, Tuner, tuners

__all__ = ["Search"]


@tuners.register("search")
@dataclass
class Search(Tuner):
    """Random search. The draw under which the head's validation loss is least wins.

    With the `mlp` head this is the loop of the original experiments: the head trains on a prompt
    until its validation loss has not improved for the head's `patience` epochs, then a new prompt
    is drawn. The language model is frozen, so what it says under a prompt is computed once, not
    once in every epoch.
    """

    draws: int = 10
    """Prompts that are tried."""

    def __post_init__(self) -> None:
        require(self.draws >= 1, "search: draws must be 1 or more")

    def find(self, problem: Problem) -> Found:
        """The best of the draws."""
        best: Found | None = None
        self.losses_: list[float] = []
        for number in range(self.draws):
            stage = f"draw {number + 1} of {self.draws}"
            found = problem.read(problem.draw(number), stage)
            loss = problem.validation_loss(found)
            if best is None or loss < min(self.losses_):
                best = found
            self.losses_.append(loss)
        assert best is not None
        return best

    def report(self) -> dict[str, float]:
        """Validation losses over the draws of the last member."""
        return {
            "draws": float(self.draws),
            "best draw's validation loss": min(self.losses_),
            "worst draw's validation loss": max(self.losses_),
        }
