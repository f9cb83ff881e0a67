"""The loss of a masked language model: which words stood where a mask now stands (Devlin et al.
2019), on the tokens of series."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.backbones.word_scores import WordScorer
from tsprompt.base.part import require
from tsprompt.reading.reader import Reader, Reading

__all__ = ["check_masks", "hide", "masked_loss"]

_AS_MASK, _AS_ANOTHER = 0.8, 0.1
"""Of the tokens that are to be found: share that the mask replaces, and another word."""


def check_masks(backbone: Backbone, part: str) -> None:
    """See that a model fills masks.

    Raises
    ------
    ConfigError
        It is none that does.
    """
    family = backbone.family
    require(
        not (family.causal or family.answers_apart) and family.reads == "words",
        f"{part}: {backbone.name} is a model of the kind {family.name}, which fills no masks, so "
        "there is no masked-language loss; use alpha=0, or a BERT",
    )


def hide(tokens: Tensor, share: float, backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Hide a share of the tokens (b, S, W), ids: what is read instead (b, S, W), and bool
    (b, S, W), which are to be found.

    The mask stands in place of eight in ten of these, another word of the vocabulary in place of
    one, and one stays as it is. Random numbers are torch's.
    """
    draws = torch.rand(2, *tokens.shape)
    wanted, how = (draws[0] < share).to(tokens.device), draws[1].to(tokens.device)
    plain = torch.tensor(backbone.words.plain)
    others = plain[torch.randint(len(plain), tokens.shape)].to(tokens)
    hidden = tokens.where(how >= _AS_MASK + _AS_ANOTHER, others)
    hidden = hidden.where(how >= _AS_MASK, torch.full_like(tokens, backbone.words.mask))
    return tokens.where(~wanted, hidden), wanted


def masked_loss(
    reader: Reader, reading: Reading, tokens: Tensor, scorer: WordScorer, share: float
) -> Tensor:
    """Mean cross-entropy of the words that stood where tokens (b, S, W) were hidden, at the last of
    the layers that are read; nought where none was."""
    hidden, wanted = hide(tokens, share, reader.backbone)
    data, _ = reader.hidden(hidden, reading.prompt, reading.layers, reading.context)
    if not bool(wanted.any()):
        return data.sum() * 0
    said = scorer.say(data[:, -1][wanted.flatten(1)])
    return functional.cross_entropy(scorer.scores(said), tokens[wanted].to(said.device))
