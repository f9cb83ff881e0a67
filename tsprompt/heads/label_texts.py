"""`label-texts`: a class is a text of several words, told by its likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.base import Words
from tsprompt.backbones.spoken import Spoken
from tsprompt.backbones.word_scores import WordScorer
from tsprompt.base.part import require, require_one_of
from tsprompt.heads.base import heads
from tsprompt.heads.class_words import parse_words, spell_words
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.verbalizer import Verbalizer

__all__ = ["LabelTexts", "likelihoods", "texts_of_classes"]

_SCORES = 1 << 24
"""Scores of words that exist at once."""


@heads.register("label-texts")
@dataclass
class LabelTexts(Verbalizer):
    """Classes are told by how likely the model holds the texts that stand for them: a bounded
    answer space of spans or sentences.

    A model that fills masks has as many masks side by side as the longest text has words, and of
    each text the first ones count; all are filled at once (Schick and Schuetze 2021, It's not just
    size that matters, section 3.2: ``q(t1 .. tk | x) = product of P([MASK]_j = t_j | x)``). A model
    that writes, a decoder or an encoder-decoder, foretells each word from those before it,
    ``product of P(t_j | t_1 .. t_j-1, x)``.
    """

    without_cases: ClassVar[str | None] = "label-texts:fitted=false"

    words: str | None = None
    """Texts for the classes in sorted order, ``slow rise|fast fall/sudden drop``, or by name; None:
    the names of the classes, all their pieces."""
    how: str = "mean"
    """`mean` of the words' log-probabilities, so that long texts are no less likely for that, or
    their `sum`, the text's own."""
    fitted: bool = True
    """Fit a temperature and a bias for each class on train; false: learn nothing from labels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.words = spell_words(self.words)
        require_one_of(self, "how", ("mean", "sum"))

    @property
    def needs_cases(self) -> bool:
        """As it is asked for."""
        return self.fitted

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Find the scorer, and the words of the texts in the vocabulary."""
        super().meet(backbone, classes=classes)
        found = texts_of_classes(self.words, classes, backbone.words, self.name)
        self.met_texts = [text for own in found for text in own]
        numbers = iter(range(len(self.met_texts)))
        self.met_ids = [[next(numbers) for _ in own] for own in found]
        self.met_writes = backbone.family.writes

    @property
    def asks(self) -> Spoken:
        """So many masks as the longest text has words, or the texts."""
        if self.met_writes:
            return Spoken(texts=tuple(map(tuple, self.met_texts)))
        return Spoken(masks=max(map(len, self.met_texts)))

    def choose(self, evidence: Tensor, lesson: Lesson) -> list[list[int]]:
        """The texts that are given, by their numbers."""
        return self.met_ids

    def say(self, features: Tensor) -> Tensor:
        """Log-likelihoods (b, N) of all texts, by features (b, K * M * D): the mean over K."""
        scorer, count = self.met_scorer, self.asks.read
        require(
            features.shape[1] % (count * scorer.size) == 0,
            f"{self.name}: there are {features.shape[1]} features, but an answer has {count} "
            f"states of {scorer.size} entries; read the mask of one layer or of several",
        )
        states = features.unflatten(1, (-1, count, scorer.size))
        found = likelihoods(states, self.met_texts, scorer, apart=self.met_writes)
        if self.how == "mean":
            found = found / torch.tensor([len(one) for one in self.met_texts]).to(found)
        return found.mean(dim=1)

    def heard(self, said: Tensor, ids: Tensor) -> Tensor:
        """Those of the texts with these numbers."""
        return said[:, ids.to(said.device)]

    def _names(self, ids: Sequence[Sequence[int]]) -> list[list[str]]:
        spelled = [" ".join(map(self.vocabulary.word, text)) for text in self.met_texts]
        return [[spelled[one] for one in own] for own in ids]


def likelihoods(
    states: Tensor, texts: Sequence[Sequence[int]], scorer: WordScorer, *, apart: bool
) -> Tensor:
    """Log-likelihoods (b, K, N) of N texts.

    Parameters
    ----------
    states
        (b, K, M, D) at the places where the words are read.
    texts
        Ids of their words.
    apart
        Whether each text has places of its own, one after another; else all begin at the first.
    """
    words = torch.tensor([word for text in texts for word in text])
    places = torch.arange(len(words))
    if not apart:
        places = torch.cat([torch.arange(len(text)) for text in texts])
    owner = torch.tensor([number for number, text in enumerate(texts) for _ in text])
    rows = max(1, _SCORES // (states.shape[1] * states.shape[2] * scorer.n_words))
    parts = []
    for some in states.split(rows):
        said = scorer.say(some)
        device = said.device
        whole = scorer.scores(said).logsumexp(dim=-1)  # (b, K, M)
        own = words.to(device)
        scores = (said[:, :, places.to(device)] * scorer.vectors[own]).sum(dim=-1)
        each = scores + scorer.bias[own] - whole[:, :, places.to(device)]
        sums = each.new_zeros(*each.shape[:2], len(texts))
        parts.append(sums.index_add(2, owner.to(device), each))
    return torch.cat(parts)


def texts_of_classes(
    words: str | None, classes: Sequence[str], vocabulary: Words, part: str
) -> list[list[list[int]]]:
    """Ids of the words of the texts that stand for each class.

    Raises
    ------
    ConfigError
        The vocabulary can't spell one, a class has none, or two classes share one.
    """
    given = [[name] for name in classes] if words is None else parse_words(words, classes, part)
    found = [[vocabulary.pieces(text) for text in own] for own in given]
    bad = [
        text
        for texts, own in zip(given, found, strict=True)
        for text, ids in zip(texts, own, strict=True)
        if not ids or any(one in vocabulary.special for one in ids)
    ]
    require(
        not bad,
        f"{part}: the model's vocabulary can't spell {', '.join(map(repr, bad))}; give texts that "
        "it can, by words=one text|another|..., in the order of the classes",
    )
    every = [tuple(ids) for own in found for ids in own]
    require(
        len(set(every)) == len(every),
        f"{part}: one text stands for two classes, or twice for one: give each class its own",
    )
    return found
