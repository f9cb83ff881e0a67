"""Scores of a context's words at the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.word_scores import SCORERS, word_scorer
from tsprompt.base.part import require_one_of
from tsprompt.errors import BackboneError
from tsprompt.readouts.base import Readout, readouts

__all__ = ["WordScores"]


@readouts.register("words")
@dataclass
class WordScores(Readout):
    """What the model says of the context's words at the mask: Q scores, at each layer that is read.

    They are the scores that a masked language model has for these words, before the softmax; with
    `tied`, the inner products of the state at the mask and the embeddings of the words.
    """

    reads_words: ClassVar[bool] = True

    scores: str = "tied"
    """Where scores of words come from: the `model`'s own head for masked words, or `tied`, its word
    embeddings times what it says, for models that have no such head."""

    class State(Readout.State):
        """What fitting has learned."""

        voice_hash_: str

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, "scores", tuple(SCORERS))

    @property
    def asks_speaker(self) -> bool:
        """With `scores=model`."""
        return self.scores == "model"

    @property
    def reads_data(self) -> bool:
        """At the mask alone."""
        return False

    def meet(self, backbone: Backbone, *, words: Tensor | None) -> None:
        """Find the scorer, and keep the ids (Q,) of the words."""
        assert words is not None, "the parts have been checked"
        self.met_scorer, self.met_words = word_scorer(backbone, self.scores), words
        known = getattr(self, "voice_hash_", self.met_scorer.weights_hash)
        if known != self.met_scorer.weights_hash:
            raise BackboneError(
                f"the head for words of {backbone.name} is not the one that the model was fitted "
                "with; install the same backbone, or fit again"
            )
        self.voice_hash_ = known

    def pool(self, data: Tensor, mask: Tensor) -> Tensor:
        """(b, N' * M * Q)."""
        scorer = self.met_scorer
        return scorer.scores(scorer.say(mask), self.met_words).flatten(1)
