"""`prefix` and `p-tuning-v2`: prompts that every layer hears, beside the tokens of the input."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require
from tsprompt.base.seeds import seeded_torch
from tsprompt.errors import ConfigError, Setting, counted
from tsprompt.prompts.base import PromptModel, PromptModule, prompts

__all__ = ["DeepPrompt", "PTuningV2", "Prefix"]


@dataclass
class DeepPrompt(PromptModel):
    """Keys and values of P' tokens at each of N layers; they take no position of the input."""

    tuner: ClassVar[str] = "gradient"
    tuners: ClassVar[tuple[str, ...]] = ("gradient", "none")
    by_layer: ClassVar[bool] = True
    refuses: ClassVar[tuple[str, ...]] = ("placement",)
    of_vectors: ClassVar[bool] = True

    length: int | None = 16
    """P', the tokens that each layer hears besides its own."""

    def __post_init__(self) -> None:
        require(
            self.length is not None and self.length >= 1,
            f"{self.name}: length must be 1 or more; for no prompt use ",
            Setting("prompt", "none"),
        )
        require(
            self.placement == "around",
            f"{self.name}: placement has no meaning: it stands beside every layer, not among the "
            "tokens of the input; leave it out",
        )

    @property
    def needs_words(self) -> bool:
        """It is vectors from the start."""
        return False

    def slots_of(self, backbone: Backbone, default: int) -> int:
        """None.

        Raises
        ------
        ConfigError
            The attention of this backbone can't be given further keys.
        """
        backbone.check_deep()
        return 0

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """The prompt before any training."""
        return self.module(slots, backbone, rng).prompt()

    def module(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> PromptModule:
        """What gives keys and values (N, 2, P', D), freshly initialised."""
        with seeded_torch(int(rng.integers(2**31))):
            module = _Layers(self._encoder(backbone), int(self.length or 0), backbone.depth)
        return module.to(backbone.device)

    def _encoder(self, backbone: Backbone) -> nn.Module:
        from peft import PrefixEncoder, PrefixTuningConfig  # slow to import

        config: Any = PrefixTuningConfig(
            num_virtual_tokens=int(self.length or 0),
            token_dim=backbone.state_size,
            num_layers=max(backbone.depth, 1),  # of no layers nothing can be drawn
            **self._projection(),
        )
        return PrefixEncoder(config)

    @abstractmethod
    def _projection(self) -> dict[str, Any]:
        """How keys and values come from parameters, in the words of PEFT's configuration."""


@prompts.register("prefix")
@dataclass
class Prefix(DeepPrompt):
    """Prefix tuning (Li and Liang 2021): one vector for each token, from which a perceptron makes
    the keys and values of all layers. Vectors and perceptron are trained; keys and values are kept.
    """

    quick: ClassVar[dict[str, Any]] = {"hidden": 8}

    hidden: int = 128
    """Units of the perceptron."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.hidden >= 1, "prefix: hidden must be 1 or more")

    def _projection(self) -> dict[str, Any]:
        return {"prefix_projection": True, "encoder_hidden_size": self.hidden}


@prompts.register("p-tuning-v2")
@dataclass
class PTuningV2(DeepPrompt):
    """P-tuning v2 (Liu et al. 2022): the keys and values of all layers are parameters themselves,
    without a perceptron in between."""

    tuners: ClassVar[tuple[str, ...]] = ("gradient", "ppt", "transprompt", "none")
    resumes: ClassVar[bool] = True

    def _projection(self) -> dict[str, Any]:
        return {"prefix_projection": False}

    def resume(self, start: Prompt, slots: int, backbone: Backbone) -> PromptModule:
        """Keys and values (N, 2, P', D) that were trained before.

        Raises
        ------
        ConfigError
            The saved prompt fills slots, or is for other numbers of tokens or layers.
        """
        deep = start.deep
        if deep is None:
            raise ConfigError(
                "the prompt 'p-tuning-v2' is keys and values for every layer, and the saved one "
                "fills slots of the input; use ",
                Setting("prompt", "soft"),
            )
        require(
            deep.shape[2] == self.length,
            f"the saved prompt has {counted(deep.shape[2], 'token')} for each layer, and this "
            f"one has {self.length}; use ",
            Setting("prompt", f"p-tuning-v2:length={deep.shape[2]}"),
        )
        require(
            len(deep) == backbone.depth,
            f"the saved prompt is for {counted(len(deep), 'layer')}, and {backbone.depth} are "
            "read here; use the readout that it was trained with",
        )
        with seeded_torch(0):  # what it draws is overwritten
            encoder: Any = self._encoder(backbone)
        if len(deep):
            with torch.no_grad():
                encoder.embedding.weight.copy_(deep.permute(2, 0, 1, 3).flatten(1))
        return _Layers(encoder, int(self.length or 0), backbone.depth).to(backbone.device)


class _Layers(PromptModule):
    """Keys and values of all layers out of PEFT's encoder, which gives them side by side."""

    def __init__(self, encoder: nn.Module, length: int, layers: int) -> None:
        super().__init__()
        self.encoder, self.layers = encoder, layers
        self.register_buffer("tokens", torch.arange(length), persistent=False)

    def forward(self) -> Prompt:
        """(N, 2, P', D)."""
        flat = self.encoder(self.tokens)
        deep = flat.unflatten(1, (max(self.layers, 1), 2, -1)).permute(1, 2, 0, 3)
        return Prompt(None, deep=deep[: self.layers])
