"""Decoders: GPT-2 and the like. The answer stands at the last token, which sees all others."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tsprompt.backbones.families.base import Family, as_rows, first_of, pick
from tsprompt.backbones.template import Template
from tsprompt.backbones.vocabulary import Words
from tsprompt.errors import BackboneError

__all__ = ["Decoder"]

_UNBOUND = 2_048
"""Tokens that are read at once by a decoder with no table of positions: as BLOOM was trained."""


class Decoder(Family):
    """``<bos> .. <eos> <eos>``; each token sees those before it (Radford et al. 2019).

    There is no mask: in the slot of `[CLS]` stands the token that begins a text, in those of
    `[MASK]` and `[SEP]` the one that ends it; where there is but one of the two, it stands for
    both. What is said of a data token is said before the later ones are read.
    """

    name: ClassVar[str] = "decoder"
    causal: ClassVar[bool] = True
    writes: ClassVar[bool] = True

    @classmethod
    def claims(cls, config: Any) -> bool:
        """Models that predict the next word and are not trained on masks."""
        from transformers.models.auto import modeling_auto

        kind = config.model_type
        causal = kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        masked = kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
        has_layers = hasattr(config, "num_hidden_layers")
        return has_layers and (
            bool(getattr(config, "is_decoder", False)) or (causal and not masked)
        )

    def words(self, vocabulary: Any, base: str) -> Words:
        """The tokens that begin and end a text."""
        begin = first_of(vocabulary, "bos", "eos")
        end = first_of(vocabulary, "eos", "bos")
        if begin is None or end is None:
            raise BackboneError(
                f"the vocabulary of {base} has no token that begins or ends a text; tsprompt puts "
                "it at the last place of a decoder's template, where the answer is read"
            )
        return Words(vocabulary, cls=begin, mask=end, sep=end)

    def positions(self, model: nn.Module, config: Any) -> int:
        """As many as its table has."""
        return int(getattr(config, "max_position_embeddings", None) or _UNBOUND)

    def answer(self, template: Template) -> slice:
        """The last token; behind it, where texts follow."""
        if self.spoken.alone:
            return slice(template.length - 1, template.length)
        return slice(template.length, template.length + self.spoken.read)

    def run(self, model: nn.Module, embeddings: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """States (B, L, D), or (B, L + M, D) with those of the texts that follow. What was read is
        not read again for them: its keys are kept."""
        texts = not self.spoken.alone
        said = model(inputs_embeds=embeddings, output_hidden_states=True, use_cache=texts)
        states = pick(said, layers)
        if not texts:
            return states
        before = [one[:, -1:] for one in pick(said, (*layers, -1))]
        known = said.past_key_values

        def listen(words: list[int] | Tensor) -> list[Tensor]:
            ids = as_rows(words, embeddings)
            if not ids.shape[1]:
                return before
            more = model(
                input_ids=ids, past_key_values=known, output_hidden_states=True, use_cache=True
            )
            known.crop(-ids.shape[1])  # the next text follows what was read as well
            after = pick(more, (*layers, -1))
            return [torch.cat(pair, dim=1) for pair in zip(before, after, strict=True)]

        return [
            torch.cat(pair, dim=1) for pair in zip(states, self.spoken.heard(listen), strict=True)
        ]
