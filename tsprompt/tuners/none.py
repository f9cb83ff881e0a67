"""`none`: the first draw is taken as it is."""

from __future__ import annotations

from dataclasses import dataclass

from tsprompt.tuners.base import Found, Problem, Tuner, tuners

__all__ = ["NoTuner"]


@tuners.register("none")
@dataclass
class NoTuner(Tuner):
    """No search: one pass of the language model over train."""

    @property
    def needs_cases(self) -> bool:
        """It asks for no label."""
        return False

    def find(self, problem: Problem) -> list[Found]:
        """The first draw."""
        return [problem.read(problem.draw(0), f"prompt {problem.member + 1}")]
