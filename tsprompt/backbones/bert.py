"""BERT (Devlin et al. 2019), as far as it is read: embeddings in, the states of its layers out.

The rest of tsprompt runs any model of transformers. This one it brings along, because importing
transformers takes longer than everything else that a prediction needs; the same weights give the
same numbers, bit by bit. In bfloat16 on a processor attention rounds otherwise, where that is
quicker: see `tsprompt.backbones.half_attention`. What differs from the usual kind in any way is
left to transformers: see `tsprompt.backbones.bert_files`.

Modules are called as in the files of weights: the hash of a model is over these names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tsprompt.backbones.attention import heard
from tsprompt.backbones.half_attention import attend

__all__ = ["Bert", "BertSizes"]


@dataclass
class BertSizes:
    """What `config.json` says of a BERT."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    model_type: str = "bert"


class _Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Nothing is drawn: all weights are read."""


class _Table(nn.Embedding):
    def reset_parameters(self) -> None:
        """As above."""


class _Said(NamedTuple):
    """States (B, L, D): of the last layer, and what enters each layer with these at the end."""

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...]


class Bert(nn.Module):
    """The whole model, without pooler."""

    _supports_sdpa = True
    """Further keys and values can be said to its layers: see `tsprompt.backbones.attention`."""

    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Encoder(config)

    def get_input_embeddings(self) -> nn.Embedding:
        """The table of word embeddings."""
        return self.embeddings.word_embeddings

    def lowered(self, dtype: torch.dtype) -> None:
        """Compute in this dtype. The word embeddings are rounded to it and stay float32: they are
        looked up beside the model, and one copy of them is the most of a small one."""
        words = self.get_input_embeddings().weight
        for one in self.parameters():
            one.data = one.data.to(dtype)
        words.data = words.data.to(torch.float32)

    def forward(self, inputs_embeds: Tensor, **_: Any) -> _Said:
        """States of word embeddings (B, L, D)."""
        states = [self.embeddings(inputs_embeds)]
        for layer in self.encoder.layer:
            states.append(layer(states[-1]))
        return _Said(states[-1], tuple(states))

    def states(self, words: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """States (B, L, D) of word embeddings (B, L, D), for each of the layers. Those of others
        are let go on the way."""
        states, said = self.embeddings(words), {}
        for number, layer in enumerate(self.encoder.layer):
            if number in layers:
                said[number] = states
            states = layer(states)
        said[len(self.encoder.layer)] = states
        return [said[layer] for layer in layers]

    def states_at(self, words: Tensor, at: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """States (B, K, D), for each of the layers, at positions (B, K) of word embeddings
        (B, L, D). The last of these layers works out no others."""
        states, said = self.embeddings(words), {}
        for number, layer in enumerate(self.encoder.layer[: max(layers)]):
            if number in layers:
                said[number] = _at(states, at)
            states = layer(states, at if number + 1 == max(layers) else None)
        said[max(layers)] = states if max(layers) else _at(states, at)
        return [said[layer] for layer in layers]


def _at(states: Tensor, at: Tensor) -> Tensor:
    """What stands at positions (B, K) of states (B, L, D)."""
    rows = torch.arange(0, states.shape[0] * states.shape[1], states.shape[1], device=at.device)
    picked = states.flatten(0, 1).index_select(0, (at + rows[:, None]).flatten())
    return picked.unflatten(0, at.shape)


class _Embeddings(nn.Module):
    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        size = config.hidden_size
        self.word_embeddings = _Table(config.vocab_size, size)
        self.position_embeddings = _Table(config.max_position_embeddings, size)
        self.token_type_embeddings = _Table(config.type_vocab_size, size)
        self.LayerNorm = nn.LayerNorm(size, eps=config.layer_norm_eps)

    def forward(self, words: Tensor) -> Tensor:
        """Words (B, L, D) with their positions; all are of the first segment."""
        first = self.token_type_embeddings.weight[0]
        states = words + first + self.position_embeddings.weight[: words.shape[1]]
        normed: Tensor = self.LayerNorm(states)
        return normed


class _Encoder(nn.Module):
    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.layer = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))


class _Layer(nn.Module):
    """Attention and a feed-forward block, each added to what enters it and normalised; if at some
    positions (B, K) alone, these still attend to all."""

    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = _Intermediate(config)
        self.output = _Output(config.intermediate_size, config)

    def forward(self, states: Tensor, at: Tensor | None = None) -> Tensor:
        attended = self.attention(states, states if at is None else _at(states, at))
        out: Tensor = self.output(self.intermediate(attended), attended)
        return out


class _Attention(nn.Module):
    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.self = _SelfAttention(config)
        self.output = _Output(config.hidden_size, config)

    def forward(self, states: Tensor, asking: Tensor) -> Tensor:
        out: Tensor = self.output(self.self(states, asking), asking)
        return out


class _SelfAttention(nn.Module):
    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.num_attention_heads = config.num_attention_heads
        self.scale = (config.hidden_size // config.num_attention_heads) ** -0.5
        self.query, self.key, self.value = (
            _Linear(config.hidden_size, config.hidden_size) for _ in range(3)
        )

    def forward(self, states: Tensor, asking: Tensor) -> Tensor:
        """What each asking token takes of all tokens, and of what is said to this layer besides."""
        heads = self.num_attention_heads
        query, key, value = (
            made.unflatten(-1, (heads, -1)).transpose(1, 2)
            for made in (self.query(asking), self.key(states), self.value(states))
        )
        key, value = heard(self, key, value)
        return attend(query, key, value, self.scale).transpose(1, 2).flatten(2)


class _Intermediate(nn.Module):
    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.dense = _Linear(config.hidden_size, config.intermediate_size)
        self.intermediate_act_fn = nn.GELU()

    def forward(self, states: Tensor) -> Tensor:
        widened: Tensor = self.intermediate_act_fn(self.dense(states))
        return widened


class _Output(nn.Module):
    def __init__(self, size: int, config: BertSizes) -> None:
        super().__init__()
        self.dense = _Linear(size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, states: Tensor, before: Tensor) -> Tensor:
        normed: Tensor = self.LayerNorm(self.dense(states) + before)
        return normed
