"""`p-tuning`: an encoder writes the vectors of the prompt slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Prompt
from tsprompt.base.part import require, require_one_of
from tsprompt.base.seeds import seeded_torch
from tsprompt.prompts.base import Places, PromptModel, PromptModule, prompts
from tsprompt.prompts.soft import resume_vectors

__all__ = ["PTuning"]


@prompts.register("p-tuning")
@dataclass
class PTuning(PromptModel):
    """Pseudo tokens through an encoder, which ties the slots to each other (Liu et al. 2021).

    The encoder is a bidirectional LSTM and a two-layer perceptron on top, PEFT's `PromptEncoder`.
    Pseudo tokens and encoder are trained; once they are, only the vectors that they give are kept,
    and a training that goes on from these trains the vectors themselves.
    """

    tuner: ClassVar[str] = "gradient"
    tuners: ClassVar[tuple[str, ...]] = ("gradient", "transprompt", "none")
    of_vectors: ClassVar[bool] = True
    resumes: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"hidden": 8}

    encoder: str = "lstm"
    """`lstm`; `gru` in its place; or `mlp`: three layers, each slot by itself."""
    hidden: int = 128
    """Units of the encoder (in each direction)."""
    layers: int | None = None
    """Layers of the LSTM or GRU; None: 2, as in the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "encoder", tuple(_ENCODERS))
        require(self.hidden >= 1, "p-tuning: hidden must be 1 or more")
        require(self.layers is None or self.layers >= 1, "p-tuning: layers must be 1 or more")
        require(
            self.layers is None or _ENCODERS[self.encoder] is not None,
            "p-tuning: layers counts those of an LSTM or GRU; leave it out, or use encoder=lstm",
        )

    @property
    def needs_words(self) -> bool:
        """It is vectors from the start."""
        return False

    def draw(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> Prompt:
        """The prompt before any training."""
        return self.module(slots, backbone, rng).prompt()

    def module(self, slots: int, backbone: Backbone, rng: np.random.Generator) -> PromptModule:
        """Pseudo tokens and encoder, freshly initialised."""
        places = self.place(slots, rng)
        with seeded_torch(int(rng.integers(2**31))):
            encoder = self._encoder(slots, backbone.hidden_size)
        return _Encoded(encoder, slots, places).to(backbone.device)

    def resume(self, start: Prompt, slots: int, backbone: Backbone) -> PromptModule:
        """Vectors (P, D) that were trained before, without an encoder."""
        return resume_vectors(self.name, start, slots, backbone)

    def _encoder(self, slots: int, size: int) -> nn.Module:
        from peft import PromptEncoder, PromptEncoderConfig  # slow to import

        recurrent, layers = _ENCODERS[self.encoder], self.layers or 2
        config: Any = PromptEncoderConfig(
            num_virtual_tokens=slots,
            token_dim=size,
            num_transformer_submodules=1,
            encoder_reparameterization_type="MLP" if recurrent is None else "LSTM",
            encoder_hidden_size=self.hidden,
            encoder_dropout=0.0,
        )
        if recurrent is not None:
            config.encoder_num_layers = layers
        encoder = PromptEncoder(config)
        if recurrent not in (None, nn.LSTM):
            # Of the same sizes, and called in the same way.
            encoder.lstm_head = recurrent(
                size, self.hidden, layers, bidirectional=True, batch_first=True
            )
        return encoder


_ENCODERS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "mlp": None}


class _Encoded(PromptModule):
    """The slots' vectors are what the encoder makes of all pseudo tokens."""

    def __init__(self, encoder: nn.Module, slots: int, places: Places) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("tokens", torch.arange(slots)[None], persistent=False)
        self.before, self.mask = places

    def forward(self) -> Prompt:
        """Vectors (P, D)."""
        vectors = self.encoder(self.tokens)[0]
        return Prompt(None, vectors, before=self.before, mask=self.mask)
