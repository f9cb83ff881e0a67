"""What every regime says: whether prompt and language model are fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tsprompt.backbones import Backbone
from tsprompt.base.part import Part, require
from tsprompt.base.registry import Registry
from tsprompt.errors import Setting

__all__ = ["Regime", "regimes"]

regimes: Registry[Regime] = Registry("regime")


@dataclass
class Regime(Part):
    """Says what training may change. The head is fitted in any case."""

    tunes_prompt: ClassVar[bool]
    tunes_model: ClassVar[bool] = False
    placebo = False
    """Whether chance takes the place of what train says to whatever is trained or sought."""

    def tuner_of(self, prompt: str) -> str:
        """The tuner that is taken where none is asked for; `prompt`: the prompt's own."""
        return prompt if self.tunes_prompt else "none"

    def tuners_of(self, prompt: tuple[str, ...], trainers: tuple[str, ...] = ()) -> tuple[str, ...]:
        """All tuners that may be asked for; `prompt`: those that can find the prompt; `trainers`:
        those that train language models under prompts that stay as they are."""
        return prompt

    def check(self, tuner: str, n_prompts: int) -> None:
        """See that it goes together with a tuner and a number of prompts.

        Raises
        ------
        ConfigError
            It does not.
        """
        require(
            self.tunes_prompt or tuner == "none",
            Setting("train", self.name),
            f" leaves the prompt as it is, but the tuner {tuner!r} would change it; use ",
            Setting("tuner", "none"),
            ", or ",
            Setting("train", "prompt"),
        )

    def prepare(self, backbone: Backbone, seed: int, *, speaks: bool = False) -> Backbone:
        """The language model as this regime uses it: itself, or a copy that can be trained, with
        its own head for masked words if somebody asks that (`speaks`)."""
        return backbone
