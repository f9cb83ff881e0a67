"""How like texts a plot is, of which a CLIP was trained to say it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.backbones.text_scorer import text_scorer
from tsprompt.base.part import require
from tsprompt.errors import BackboneError
from tsprompt.readouts.base import Readout, readouts

__all__ = ["TextScores", "alternatives"]


@readouts.register("texts")
@dataclass
class TextScores(Readout):
    """Scaled cosines of the plot and Q texts: what CLIP says of each of them (Radford et al. 2021).

    As they are written by default, they ask for a colour, as CPT does (Yao et al. 2021), in a plot
    whose segments are `painted <tsprompt.tokenizers.image>`: where a masked language model would
    fill in the colour, all are tried.
    """

    needs_texts: ClassVar[bool] = True

    texts: str = "the pattern is in {red/green/blue/yellow} colour"
    """Texts, separated by ``|``; of what stands in braces, separated by ``/``, each is tried."""

    class State(Readout.State):
        """What fitting has learned."""

        voice_hash_: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.texts = str(self.texts)
        written = self.written
        require(
            len(written) > 1 and len(set(written)) == len(written),
            f"{self.name}: texts={self.texts!r} are {len(written)}, and must be two or more that "
            "differ",
        )

    @property
    def written(self) -> list[str]:
        """(Q,) the texts."""
        return [one for part in self.texts.split("|") for one in alternatives(part.strip())]

    @property
    def reads_data(self) -> bool:
        """At [CLS] alone."""
        return False

    def meet(self, backbone: Backbone, *, words: Tensor | None) -> None:
        """Read the texts."""
        self.met_scorer = text_scorer(backbone, [[one] for one in self.written])
        known = getattr(self, "voice_hash_", self.met_scorer.weights_hash)
        if known != self.met_scorer.weights_hash:
            raise BackboneError(
                f"what reads the texts of {backbone.name} is not what the model was fitted with; "
                "install the same backbone, or fit again"
            )
        self.voice_hash_ = known

    def pool(self, data: Tensor, mask: Tensor) -> Tensor:
        """(b, N' * M * Q)."""
        scorer = self.met_scorer
        return scorer.scores(scorer.say(mask)).flatten(1)


def alternatives(text: str) -> list[str]:
    """``in {red/green}`` -> ``in red``, ``in green``; of several braces, all combinations."""
    pieces = re.split(r"\{([^{}]*)\}", text)
    choices = [piece.split("/") if k % 2 else [piece] for k, piece in enumerate(pieces)]
    return ["".join(one) for one in itertools.product(*choices)]
