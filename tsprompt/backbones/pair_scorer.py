"""What a language model would say of two inputs: whether the second one fits the first.

A BERT was trained, besides filling masks, to say of two segments whether the second follows the
first in a text (Devlin et al. 2019). The head for that, a pooler of the state at [CLS] and a linear
map to two scores, is loaded when a part asks for it, and never otherwise. Many models were trained
without it (RoBERTa, ELECTRA, DistilBERT, MPNet), or have lost it since.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.backbones.base import Backbone, fingerprint
from tsprompt.backbones.catalogue import split_name
from tsprompt.backbones.load import _describe, _drawn, _read, _shuffle, _whole_config
from tsprompt.backbones.word_scores import WordScorer, word_scorer
from tsprompt.base.seeds import derive
from tsprompt.errors import ConfigError

__all__ = ["PairScorer", "pair_scorer"]

_NEXT = "AutoModelForNextSentencePrediction"


class PairScorer(WordScorer):
    """Log-probabilities (..., C) that a pair fits, of states (..., C, D) where the model answers.

    With ``next`` it is ``log P(IsNext)``, of the model's own head for next sentences at [CLS]; with
    another kind that of the word for a fit, against the word for none, at [MASK]:
    ``log(P(fits) / (P(fits) + P(does not)))``.
    """

    def __init__(
        self, backbone: Backbone, kind: str, n_classes: int, words: tuple[int, int] | None = None
    ) -> None:
        if kind == "next":
            twin, _ = split_name(backbone.name)
            seed = backbone.seed if twin in ("random", "shuffled") else 0
            told: nn.Module = _load_next(backbone.name, seed, str(backbone.device))
            weights_hash = str(told.weights_hash)
        else:
            assert words is not None, "the head has found them"
            scorer = word_scorer(backbone, kind)
            told, weights_hash = _ByWords(scorer, words), scorer.weights_hash
        super().__init__(
            backbone,
            kind,
            size=backbone.state_size,
            transform=told,
            vectors=torch.eye(n_classes, device=backbone.device),
            bias=torch.zeros(n_classes, device=backbone.device),
            weights_hash=weights_hash,
        )
        self._words = words

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in this process or another, loads the weights instead of carrying them along."""
        return pair_scorer, (self.backbone, self.kind, self.n_words, self._words)


def pair_scorer(
    backbone: Backbone, kind: str, n_classes: int, words: tuple[int, int] | None = None
) -> PairScorer:
    """The scorer of this kind.

    Parameters
    ----------
    kind
        `next`, or one of those of words: `model`, `tied`.
    words
        Ids of the words for a fit and for none, where it is one of those.

    Raises
    ------
    ConfigError
        The model has no such head.
    """
    return PairScorer(backbone, kind, n_classes, words)


class _ByWords(nn.Module):
    """(...) of states (..., D), by two words."""

    def __init__(self, scorer: WordScorer, words: tuple[int, int]) -> None:
        super().__init__()
        self._scorer, self._words = scorer, torch.tensor(words)

    def forward(self, states: Tensor) -> Tensor:
        scores = self._scorer.scores(self._scorer.say(states), self._words)
        return functional.logsigmoid(scores[..., 0] - scores[..., 1])


class _Pooled(nn.Module):
    """Stands where the encoder stood: it hands on the states, and what its pooler makes of them."""

    def __init__(self, pooler: nn.Module) -> None:
        super().__init__()
        self.pooler = pooler

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        return BaseModelOutputWithPooling(inputs_embeds, self.pooler(inputs_embeds))


class _ByNext(nn.Module):
    """(...) of states (..., D) at [CLS], by the head for next sentences."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        encoder = getattr(model, model.base_model_prefix)
        setattr(model, model.base_model_prefix, _Pooled(encoder.pooler))
        self.model = model
        self.weights_hash = ""

    def forward(self, states: Tensor) -> Tensor:
        rows = states.reshape(-1, 1, states.shape[-1])
        said: Tensor = self.model(inputs_embeds=rows).logits
        # The first of the two is that the second segment is the next one.
        return said.log_softmax(dim=-1)[:, 0].reshape(states.shape[:-1])


@lru_cache(maxsize=4)
def _load_next(name: str, seed: int, device: str) -> _ByNext:
    twin, base = split_name(name)
    source, _, _ = _describe(base)
    config = _whole_config(source)
    config.num_hidden_layers = 0
    seed = derive(seed, "next")
    lacking: list[str] = []
    try:
        if twin == "random":
            model = _drawn(config, seed, _NEXT)
        else:
            model, lacking = _read(source, config, _NEXT)
    except ValueError:
        raise _none_there(base, f"models of the kind {config.model_type} have none") from None
    inside = f"{model.base_model_prefix}."
    lacking = [
        one for one in lacking if not one.startswith(inside) or one.startswith(f"{inside}pooler.")
    ]
    if lacking:
        raise _none_there(base, f"its file lacks {min(lacking)}")
    head = _ByNext(model)
    if twin == "shuffled":
        _shuffle(head, seed)
    head.weights_hash = fingerprint(head)
    return head.to(device).requires_grad_(False).eval()


def _none_there(base: str, why: str) -> ConfigError:
    return ConfigError(
        f"{base} has no head for next sentences ({why}). BERT as it was released has one "
        "(bert-base-uncased, bert-large-uncased and the like), and so has ERNIE; RoBERTa, ELECTRA, "
        "DistilBERT, MPNet and sentence encoders such as minilm have none. Use such a backbone, or "
        "ask for words at a mask: a template of pairs with [MASK], and the head "
        "matching:scores=tied"
    )
