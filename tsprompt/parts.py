"""The parts of one classifier, built from its settings and checked against each other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsprompt.backbones import Backbone, BatchSize
from tsprompt.backbones.catalogue import choose
from tsprompt.backbones.load import total_layers
from tsprompt.combinations import Combination, combinations
from tsprompt.errors import ConfigError
from tsprompt.heads import Head, heads
from tsprompt.part import Part, join_texts, split_texts
from tsprompt.preprocessing import Preprocessing, preprocessings
from tsprompt.prompts import PromptModel, prompts
from tsprompt.reading import Reader
from tsprompt.readouts import Readout, readouts
from tsprompt.regimes import Regime, regimes
from tsprompt.strategies import Strategy, strategies
from tsprompt.tokenizers import Tokenizer, tokenizers
from tsprompt.tuners import Tuner, tuners

__all__ = ["Parts", "make_reader"]

_BATCH_TOKENS = {"cpu": 2_048, "cuda": 131_072, "mps": 32_768}


@dataclass
class Parts:
    """The parts of one classifier, built and checked against each other, not fitted."""

    strategy: Strategy
    scope: str
    preprocessing: Preprocessing
    tokenizer: Tokenizer
    prompt: PromptModel
    tuner: Tuner
    n_prompts: int
    readout: Readout
    head: Head
    combination: Combination
    train: Regime
    backbone: str
    prompt_from: str | None = None
    """Folders whose trained prompts are started from, as `join_texts` spells them."""

    @classmethod
    def build(cls, settings: dict[str, Any]) -> Parts:
        """Build all parts.

        Raises
        ------
        ConfigError
            A name or option is unknown, a value is out of range, or two choices contradict.
        """
        prompt = prompts.build(settings["prompt"])
        regime = regimes.build(settings["train"])
        parts = cls(
            strategy=strategies.build(settings["strategy"]),
            scope=settings["scope"],
            preprocessing=preprocessings.build(settings["preprocessing"]),
            tokenizer=tokenizers.build(settings["tokenizer"]),
            prompt=prompt,
            tuner=tuners.build(settings["tuner"] or regime.tuner_of(prompt.tuner)),
            n_prompts=settings["n_prompts"],
            readout=readouts.build(settings["readout"]),
            head=heads.build(settings["head"]),
            combination=combinations.build(settings["combination"]),
            train=regime,
            backbone=settings["backbone"],
            prompt_from=_folders(settings.get("prompt_from")),
        )
        parts._check()
        return parts

    def _check(self) -> None:
        if self.scope not in ("series", "step"):
            raise ConfigError(f"scope {self.scope!r} is not one of: series, step")
        if not isinstance(self.n_prompts, int) or self.n_prompts < 1:
            raise ConfigError(f"n_prompts must be a whole number of 1 or more: {self.n_prompts!r}")
        if self.prompt.by_layer and self.strategy.by_step:
            raise ConfigError(
                f"the prompt {self.prompt.name!r} stands beside all tokens of every layer, so no "
                f'step can have one of its own; use strategy="shared", or a prompt of tokens with '
                f"{self.strategy.name!r}"
            )
        allowed = self.train.tuners_of(self.prompt.tuners)
        if self.tuner.name not in allowed:
            raise ConfigError(
                f"the tuner {self.tuner.name!r} can't find the prompt {self.prompt.name!r} with "
                f"train={self.train.name!r}; use one of: {', '.join(allowed)}"
            )
        self.train.check(self.tuner.name, self.n_prompts)
        if self.prompt_from is not None and not self.prompt.resumes:
            able = [name for name in prompts if prompts[name].resumes]
            raise ConfigError(
                f"prompt_from: the prompt {self.prompt.name!r} can't start from vectors that were "
                f"saved; use one of: {', '.join(able)}"
            )
        if self.head.reads_mask and self.readout.name != "mask":
            raise ConfigError(
                f"the head {self.head.name!r} reads what the model says at the mask as words; it "
                f'needs readout="mask", not {self.readout.name!r}'
            )

    def choose_layers(self) -> tuple[int, ...]:
        """Settle which of the named backbones is taken, and which of its layers are read.

        Raises
        ------
        BackboneError
            None of them is to be had.
        ConfigError
            It has no such layer.
        """
        self.backbone = choose(self.backbone)
        return self.readout.choose_layers(total_layers(self.backbone))

    def specs(self, *, full: bool = False) -> dict[str, Any]:
        """The settings that build these parts again; `full` writes the defaults out too."""
        chosen = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            name: one.spec(full=full) if isinstance(one, Part) else one
            for name, one in chosen.items()
        }


def _folders(given: Any) -> str | None:
    """One text, whatever way folders were given: a text, a path, or several of them."""
    if isinstance(given, (str, Path)):
        given = split_texts(given) if isinstance(given, str) else [given]
    return join_texts(given) if given else None


def make_reader(parts: Parts, backbone: Backbone, batch_tokens: int | None) -> Reader:
    """The reader of these parts; without a number of tokens, a batch is what suits the device."""
    if batch_tokens is not None and batch_tokens < 1:
        raise ConfigError(f"batch_tokens must be 1 or more: {batch_tokens}")
    return Reader(
        backbone=backbone,
        strategy=parts.strategy,
        length=parts.prompt.slots_of(backbone, parts.strategy.default_length),
        scope=parts.scope,
        batch=BatchSize(batch_tokens or _BATCH_TOKENS.get(backbone.device.type, 2_048)),
    )
