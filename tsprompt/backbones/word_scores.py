"""What a language model would say: scores of vocabulary words for a hidden state.

A masked language model is trained with a head of its own, which turns the state at a mask into a
score for each word. It is loaded when a part asks for it, and never otherwise. Many models that are
handed around have lost it; then the word embeddings alone can stand in for it, if they are asked
for by name.
"""

from __future__ import annotations

import copy
import copyreg
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from tsprompt.backbones.base import Backbone, fingerprint
from tsprompt.backbones.catalogue import split_name
from tsprompt.backbones.load import _describe, _quiet_transformers, _shuffle
from tsprompt.base.seeds import derive, seeded_torch
from tsprompt.errors import ConfigError

__all__ = ["SCORERS", "WordScorer", "own_scorer", "tied_scorer", "word_scorer"]


class WordScorer:
    """Maps states (..., D) to E entries, whose products with the vectors of words are scores.

    The shared one is never trained; gradients flow through it to the states. A language model that
    is fine-tuned has a copy of its own, see `copied`, and trains that as well.
    """

    def __init__(
        self,
        backbone: Backbone,
        kind: str,
        *,
        size: int,
        transform: nn.Module,
        vectors: Tensor,
        bias: Tensor,
        weights_hash: str,
    ) -> None:
        self.backbone = backbone
        self.kind = kind
        """The name by which it is asked for."""
        self.size = size
        """D, the entries of a state."""
        self.transform = transform
        """From states (..., D) to (..., E)."""
        self.vectors = vectors
        """(V, E), float32: one for each word of the vocabulary."""
        self.bias = bias
        """(V,)."""
        self.weights_hash = weights_hash
        """Hash of what it holds besides the backbone's own weights."""

    @property
    def n_words(self) -> int:
        """V."""
        return len(self.vectors)

    def copied(self, backbone: Backbone) -> WordScorer:
        """The same with numbers of its own, for a backbone that may train them; vectors that are
        the word embeddings stay those of the backbone, which nothing trains."""
        tied = self.vectors is self.backbone.word_vectors
        return WordScorer(
            backbone,
            self.kind,
            size=self.size,
            transform=copy.deepcopy(self.transform),
            vectors=backbone.word_vectors if tied else nn.Parameter(self.vectors.clone(), False),
            bias=nn.Parameter(self.bias.clone(), False),
            weights_hash=self.weights_hash,
        )

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What of a copy can be trained, by name."""
        unused: frozenset[str] = getattr(self.transform, "unused", frozenset())
        yield from (pair for pair in self.transform.named_parameters() if pair[0] not in unused)
        for name, one in (("decoder.weight", self.vectors), ("decoder.bias", self.bias)):
            if isinstance(one, nn.Parameter):
                yield name, one

    def say(self, states: Tensor) -> Tensor:
        """(..., E) of states (..., D)."""
        out: Tensor = self.transform(states.to(self.vectors.device, torch.float32))
        return out

    def scores(self, said: Tensor, ids: Tensor | None = None) -> Tensor:
        """Scores (..., K) of the words with these ids (K,), or of all, for what is said (..., E).

        A softmax over all of them is the model's own distribution over its vocabulary.
        """
        said = said.to(self.vectors.device)
        if ids is None:
            return said @ self.vectors.T + self.bias
        ids = ids.to(self.vectors.device)
        return said @ self.vectors[ids].T + self.bias[ids]


def word_scorer(backbone: Backbone, kind: str) -> WordScorer:
    """The scorer of this kind: `model`, the model's own head, or the copy of it that a fine-tuned
    model trains; `tied`, the word embeddings alone.

    Raises
    ------
    ConfigError
        The model has no such scorer.
    """
    return SCORERS[kind](backbone)


def tied_scorer(backbone: Backbone) -> WordScorer:
    """States times word embeddings: an approximation for models that have no head for words.

    Raises
    ------
    ConfigError
        States and word embeddings differ in size.
    """
    size = backbone.state_size
    if size != backbone.hidden_size:
        raise ConfigError(
            f"scores=tied: hidden states of {backbone.name} have {size} entries and its word "
            f"embeddings {backbone.hidden_size}, so their product has no meaning; use scores=model"
        )
    return WordScorer(
        backbone,
        "tied",
        size=size,
        transform=nn.Identity(),
        vectors=backbone.word_vectors,
        bias=backbone.word_vectors.new_zeros(len(backbone.word_vectors)),
        weights_hash="tied",
    )


def own_scorer(backbone: Backbone) -> WordScorer:
    """The head that the model was trained with to fill masks, in float32; frozen, unless it is the
    copy that a fine-tuned model trains.

    The twins treat it as they treat the other weights: `random` draws it anew, `shuffled` permutes
    the entries inside its matrices. With `none` the pretrained one reads the embeddings.

    Raises
    ------
    ConfigError
        The model's file holds no such head.
    """
    if backbone.speaker is not None:
        return backbone.speaker
    twin, _ = split_name(backbone.name)
    seed = backbone.seed if twin in ("random", "shuffled") else 0
    model, tied = _load_head(backbone.name, seed, str(backbone.device))
    vectors = backbone.word_vectors if tied else model.decoder.weight.detach()
    return WordScorer(
        backbone,
        "model",
        size=model.hidden,
        transform=model.transform,
        vectors=vectors,
        bias=model.decoder.bias.detach(),
        weights_hash=model.weights_hash,
    )


SCORERS = {"model": own_scorer, "tied": tied_scorer}
"""Where the scores of words can come from."""


def _again(scorer: WordScorer) -> tuple[Any, ...]:
    """A copy, in this process or another, loads the weights instead of carrying them along."""
    return word_scorer, (scorer.backbone, scorer.kind)


copyreg.pickle(WordScorer, _again)


class _Through(nn.Module):
    """Stands where the encoder stood, and hands on the states that it is given."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=inputs_embeds)


class _Transform(nn.Module):
    """A masked language model without its encoder and without its decoder: what is between."""

    def __init__(self, model: nn.Module, bias: Tensor | None) -> None:
        """`bias` is the decoder's, which the model may hold once more without using it."""
        super().__init__()
        self.model = model
        self.unused = frozenset(name for name, one in self.named_parameters() if one is bias)

    def forward(self, states: Tensor) -> Tensor:
        """(..., E) of states (..., D)."""
        rows = states.reshape(-1, 1, states.shape[-1])
        out: Tensor = self.model(inputs_embeds=rows).logits
        return out.reshape(*states.shape[:-1], out.shape[-1])


class _Head(nn.Module):
    """The two halves of a head for words: a transform of the states, and a vector for each word."""

    def __init__(self, model: Any, *, tied: bool) -> None:
        super().__init__()
        self.hidden = int(model.config.hidden_size)
        self.weights_hash = ""
        decoder = model.get_output_embeddings()
        path = next(name for name, one in model.named_modules() if one is decoder)
        parent, _, leaf = path.rpartition(".")
        setattr(model.get_submodule(parent), leaf, nn.Identity())
        setattr(model, model.base_model_prefix, _Through())
        self.transform = _Transform(model, decoder.bias)
        self.decoder = nn.Linear(decoder.in_features, decoder.out_features)
        with torch.no_grad():
            bias = decoder.bias
            self.decoder.bias.copy_(torch.zeros_like(self.decoder.bias) if bias is None else bias)
            if tied:
                self.decoder.weight = nn.Parameter(torch.empty(0))  # they are the embeddings
            else:
                self.decoder.weight.copy_(decoder.weight)


@lru_cache(maxsize=4)
def _load_head(name: str, seed: int, device: str) -> tuple[_Head, bool]:
    twin, base = split_name(name)
    source, config, _ = _describe(base)
    config.num_hidden_layers = 0
    pretrained, tied = _pretrained(name, base, source, config)
    if twin == "random":
        from transformers import AutoModelForMaskedLM

        with _quiet_transformers(), seeded_torch(derive(seed, "voice")):
            pretrained = AutoModelForMaskedLM.from_config(config, trust_remote_code=False)
    with seeded_torch(0):  # an overwritten start: leave the caller's random numbers alone
        head = _Head(pretrained.to(torch.float32), tied=tied)
    if twin == "shuffled":
        _shuffle(head, derive(seed, "voice"))
    head.weights_hash = fingerprint(head)
    return head.to(device).requires_grad_(False).eval(), tied


def _pretrained(name: str, base: str, source: str, config: Any) -> tuple[Any, bool]:
    """The masked language model without its layers, and whether its decoder is its embeddings."""
    from transformers import AutoModelForMaskedLM

    why = f"models of the kind {config.model_type} have none"
    if config.is_encoder_decoder:  # transformers counts BART among those that fill masks
        raise _none_there(base, f"{why} that fills masks")
    with _quiet_transformers():
        try:
            model, info = AutoModelForMaskedLM.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                local_files_only=True,
            )
        except ValueError:
            model, missing = None, []
        else:
            own = f"{model.base_model_prefix}."
            missing = sorted(key for key in info["missing_keys"] if not key.startswith(own))
            why = f"its file lacks {missing[0]} and the like" if missing else ""
    if model is None or missing:
        raise _none_there(base, why)
    decoder, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    return model, decoder.weight.data_ptr() == embeddings.weight.data_ptr()


def _none_there(base: str, why: str) -> ConfigError:
    return ConfigError(
        f"{base} has no head that gives scores to words ({why}), so scores=model has no meaning "
        "with it; use scores=tied, the product of its states and word embeddings, or another "
        "backbone, such as bert-base-uncased"
    )
