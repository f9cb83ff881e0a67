"""`none`: the first draw is taken as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tsprompt.errors import Setting, notice
from tsprompt.tuners.base import Found, Problem, Tuner, tuners

__all__ = ["NoTuner"]


@tuners.register("none")
@dataclass
class NoTuner(Tuner):
    """No search: one pass of the language model over train."""

    streams: ClassVar[bool] = True

    @property
    def needs_cases(self) -> bool:
        """It asks for no label."""
        return False

    def find(self, problem: Problem) -> list[Found]:
        """The first draw."""
        if problem.tunes_prompt and problem.prompt.tuner != self.name and problem.start is None:
            notice(
                f"the prompt {problem.prompt.name!r} is meant to be trained, and the tuner 'none' "
                "leaves it as it was drawn; ",
                Setting("tuner", problem.prompt.tuner),
                " trains it, and ",
                Setting("train", "tuning-free"),
                " says that it should stay",
            )
        return [problem.read(problem.draw(0), f"prompt {problem.member + 1}")]
