"""Encoder-decoders: BART, T5. The answer is what the decoder says first."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsprompt.backbones.families.base import Family, as_rows, first_of, pick
from tsprompt.backbones.template import Template
from tsprompt.backbones.vocabulary import Words
from tsprompt.errors import BackboneError

__all__ = ["EncoderDecoder"]

_UNBOUND = 512
"""Tokens that are read at once by a model with relative positions: as many as T5 was trained on."""
_DECODER_LAYERS = ("decoder_layers", "num_decoder_layers")
"""What configurations call the number of the decoder's layers."""
_SPAN = "<extra_id_0>"
"""T5's mask: it stands for a span that is missing."""


class EncoderDecoder(Family):
    """The encoder reads ``[CLS] .. [MASK] [SEP]``, the decoder its start token, which attends to
    what the encoder says (Lewis et al. 2020; Raffel et al. 2020).

    Layer k of a data token is the encoder's, layer k of the answer is the decoder's, or its last
    one where it has fewer. All layers of a decoder listen to the encoder's last one, so a model
    whose answer is read is loaded whole. Where nobody reads it, there is no decoder, and the
    encoder is cut.

    What `run` gives has the answer as one more position, behind those of the template.
    """

    name: ClassVar[str] = "encoder-decoder"
    answers_apart: ClassVar[bool] = True
    writes: ClassVar[bool] = True

    def __init__(self, config: Any, depth: int, *, answers: bool = True) -> None:
        super().__init__(config, depth, answers=answers)
        self.start = _start(config)
        """The id of the token that the decoder starts with."""
        field = _decoder_layers(config)
        # A decoder that nobody hears is dropped at once, and need not be loaded.
        self.speaks = int(getattr(config, field)) if self.answers and depth else 0
        """Layers of the decoder."""
        setattr(config, field, self.speaks)

    @classmethod
    def claims(cls, config: Any) -> bool:
        """By its own word."""
        return bool(getattr(config, "is_encoder_decoder", False)) and hasattr(
            config, "num_hidden_layers"
        )

    @classmethod
    def check(cls, config: Any, base: str) -> None:
        """See that the decoder's number of layers can be set, and that there is a start token."""
        super().check(config, base)
        if not _decoder_layers(config) or _start(config) is None:
            raise BackboneError(
                f"{base} is a {config.model_type} model; of the encoder-decoders tsprompt knows "
                "BART, T5 and those that are built alike"
            )

    def loaded(self, depth: int) -> int:
        """All that a decoder listens to."""
        return self.total if self.answers and depth else depth

    def words(self, vocabulary: Any, base: str) -> Words:
        """Its own special tokens; T5 has its first sentinel for a mask, and `</s>` for others."""
        begin, end = first_of(vocabulary, "cls", "bos", "eos"), first_of(vocabulary, "sep", "eos")
        if begin is None or end is None:
            raise BackboneError(
                f"the vocabulary of {base} has no token that ends a text; it belongs to the "
                "template of an encoder-decoder"
            )
        mask = first_of(vocabulary, "mask")
        if mask is None:
            mask = vocabulary.get_vocab().get(_SPAN, end)
        return Words(vocabulary, cls=begin, mask=int(mask), sep=end)

    def trim(self, model: nn.Module) -> None:
        """Also the decoder that nobody hears."""
        super().trim(model)
        if not self.answers:
            setattr(model, "decoder", None)  # noqa: B010  (to mypy a module is never None)

    def stack(self, model: nn.Module) -> nn.Module:
        """The encoder."""
        return model.get_submodule("encoder")

    def positions(self, model: nn.Module, config: Any) -> int:
        """As many as the encoder's table has; T5 has none, but was trained on 512."""
        return int(getattr(config, "max_position_embeddings", None) or _UNBOUND)

    def answer(self, template: Template) -> slice:
        """Behind the template; nowhere, where there is no decoder."""
        count = self.spoken.read if self.answers else 0
        return slice(template.length, template.length + count)

    def entering(self, embeddings: Tensor, vectors: Tensor) -> Tensor:
        """With the decoder's start token behind them."""
        if not self.answers:
            return embeddings
        start = vectors[self.start].to(embeddings).expand(len(embeddings), 1, -1)
        return torch.cat([embeddings, start], dim=1)

    def run(self, model: nn.Module, embeddings: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """States (B, L, D) of the encoder, or (B, L + M, D) with the answer behind them."""
        heard = self.stack(model)(inputs_embeds=embeddings, output_hidden_states=True)
        states = pick(heard, layers)
        if not self.answers:
            return states
        own = tuple(min(layer, self.speaks) for layer in layers)

        def listen(words: list[int] | Tensor) -> list[Tensor]:
            start = torch.full((len(embeddings), 1), self.start, device=embeddings.device)
            said = model.get_submodule("decoder")(
                input_ids=torch.cat([start, as_rows(words, embeddings)], dim=1),
                encoder_hidden_states=heard.last_hidden_state,
                output_hidden_states=True,
                use_cache=False,
            )
            return pick(said, (*own, -1))

        answers = listen([])[:-1] if self.spoken.alone else self.spoken.heard(listen)
        return [torch.cat(pair, dim=1) for pair in zip(states, answers, strict=True)]


def _decoder_layers(config: Any) -> str:
    """The field that says how many layers the decoder has; empty, if there is none."""
    return next((one for one in _DECODER_LAYERS if hasattr(config, one)), "")


def _start(config: Any) -> Any:
    """The id of the token that the decoder starts with; T5 takes that of padding."""
    own = getattr(config, "decoder_start_token_id", None)
    return own if own is not None else getattr(config, "pad_token_id", None)
