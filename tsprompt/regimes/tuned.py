"""`lm` and `prompt+lm`: the language model is fine-tuned, on a copy of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tsprompt.backbones import Backbone
from tsprompt.backbones.trainable_copy import METHODS, TunedBackbone
from tsprompt.base.part import require, require_one_of
from tsprompt.errors import Setting
from tsprompt.regimes.base import Regime, regimes

__all__ = ["ModelOnly", "PromptAndModel"]


@dataclass
class _Tuned(Regime):
    """What both have in common."""

    tunes_model: ClassVar[bool] = True

    method: str = "full"
    """What of the model may change: `full`, all but the word embeddings; `lora`, low-rank additions
    to the projections to queries and values (Hu et al. 2022); `layernorm`, scales and shifts of the
    normalisations (Qi et al. 2022)."""
    rank: int = 8
    """Of the additions of `lora`."""
    learning_rate: float | None = None
    """Step size for the model; None: 5e-5 for `full`, else 1e-3."""
    placebo: bool = False
    """The control of equal budget: as many steps of prompt and model, each in a direction that is
    drawn at random; the head is fitted on train as ever."""

    def __post_init__(self) -> None:
        require_one_of(self, "method", METHODS)
        require(self.rank >= 1, f"{self.name}: rank must be 1 or more")
        require(
            self.learning_rate is None or self.learning_rate > 0,
            f"{self.name}: learning_rate must be positive",
        )

    def tuner_of(self, prompt: str) -> str:
        """Only descent changes a model."""
        return "gradient"

    def tuners_of(self, prompt: tuple[str, ...], trainers: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Any prompt can stay fixed while the model learns."""
        return ("gradient", *(() if self.tunes_prompt else trainers))

    def check(self, tuner: str, n_prompts: int) -> None:
        """Only one prompt: the members of an ensemble would change the model under each other."""
        require(
            n_prompts == 1,
            Setting("train", self.name),
            " needs ",
            Setting("n_prompts", 1),
            f", not {n_prompts}: each prompt would change the model that the others have learned "
            "with; use ",
            Setting("n_prompts", 1),
            ", or ",
            Setting("train", "prompt"),
        )

    def prepare(self, backbone: Backbone, seed: int, *, speaks: bool = False) -> Backbone:
        """A private copy."""
        small = 5e-5 if self.method == "full" else 1e-3
        return TunedBackbone(
            backbone,
            method=self.method,
            rank=self.rank,
            learning_rate=self.learning_rate or small,
            seed=seed,
            speaks=speaks,
            placebo=self.placebo,
        )


@regimes.register("lm")
@dataclass
class ModelOnly(_Tuned):
    """The prompt is taken as it is drawn or written; the language model is fine-tuned under it."""

    tunes_prompt: ClassVar[bool] = False


@regimes.register("prompt+lm")
@dataclass
class PromptAndModel(_Tuned):
    """Prompt and language model are trained together."""

    tunes_prompt: ClassVar[bool] = True
