"""What every tokenizer does: cut a series into steps, and give each step W tokens."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NotRequired

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.base.accelerator import sent
from tsprompt.base.part import Part, require
from tsprompt.base.registry import Registry
from tsprompt.base.state import Count, NonNegative, Pair, numbers
from tsprompt.base.true_float32 import true_float32
from tsprompt.data import Cases
from tsprompt.errors import ConfigError, Piece, Setting, counted

__all__ = ["FIT_CASES", "Embedder", "Joined", "Tokenizer", "Vocabulary", "pool_mean", "tokenizers"]

FIT_CASES = 64
"""Cases of train, drawn at random, on which quantiles and scales of vectors are learned."""
_WITHIN = 0.95
"""Share of train's vectors that the sphere holds at full length."""

tokenizers: Registry[Tokenizer] = Registry("tokenizer")

Vocabulary = Backbone
"""A tokenizer asks the backbone for its words and embeddings, and never runs it."""
Joined = Callable[[Tensor], list[Tensor]]
"""Makes of values (b, T, F) the tokens of each of several tokenizers."""


@dataclass
class Tokenizer(Part):
    """Turns (b, T, F) values into ids (b, S, W) or embeddings (b, S, W, D).

    A step is one timestep, or a patch of `patch_` consecutive ones where a series is longer than
    the steps that are allowed; the last patch of a series may be shorter. Series of one length
    come together, so that nothing is padded.
    """

    discrete: ClassVar[bool]
    """Whether tokens are ids of the vocabulary."""
    by_channel: ClassVar[bool] = False
    """Whether each token tells of one feature; the W of a step are then equally many of each, one
    feature after the other."""
    makes: ClassVar[str] = "words"
    """What a backbone must read: `words` (tokens in the space of the words) or `images`."""

    draw_ = (0, 0)
    """Seed and number of its random draw: a prompt belongs to the one that it was trained with."""

    steps: int | None = None
    """The most steps of a series; None takes as many as the language model can read."""

    class State(Part.State):
        """What fitting has learned."""

        draw_: NotRequired[Pair]
        patch_: Count
        max_steps_: Count

    def __post_init__(self) -> None:
        require(self.steps is None or self.steps >= 1, f"{self.name}: steps must be 1 or more")

    def width(self, n_features: int) -> int:
        """W, the tokens of one step."""
        return 1

    def fit(
        self,
        cases: Cases,
        vocabulary: Vocabulary,
        *,
        max_steps: int | None,
        rng: np.random.Generator,
        member: int = 0,
    ) -> Tokenizer:
        """Learn from train.

        Parameters
        ----------
        cases
            Train, preprocessed.
        vocabulary
            The backbone whose words or embeddings the tokens are.
        max_steps
            How many steps the template has room for; None if there is no bound.
        rng
            Where random choices come from.
        member
            The number of this tokenizer among those whose features are concatenated.
        """
        longest = int(cases.lengths.max())
        limits = [limit for limit in (self.steps, max_steps) if limit is not None]
        limit = min([*limits, longest])
        if limit < 1:
            raise self._no_room(cases.n_features)
        self.patch_ = math.ceil(longest / limit)
        self.max_steps_ = math.ceil(longest / self.patch_)
        with true_float32():
            self._fit(cases, vocabulary, rng, member)
        return self

    def _no_room(self, n_features: int) -> ConfigError:
        width = self.width(n_features)
        text: list[Piece] = [
            f"a step of {counted(n_features, 'feature')} takes {counted(width, 'token')} with "
            f"the tokenizer {self.name!r}: not even one fits beside the prompt; use a shorter one "
            "(its option "
            "length)"
        ]
        if width > 1:
            text += [", or ", *_narrow(self.makes), ", which give one token per step"]
        return ConfigError(*text)

    def transform(self, values: Tensor, vocabulary: Vocabulary) -> Tensor:
        """Ids (b, S, W), int64, or embeddings (b, S, W, D), float32, of values (b, T, F)."""
        patch = self.patch_length(values.shape[1])
        with true_float32():  # tokens are made by thresholds of train, on whichever device
            return self._transform(values, patch, vocabulary)

    @property
    def joins(self) -> Hashable:
        """Tokenizers for which this is equal, and not None, can be `joined`."""
        return None

    def joined(self, others: Sequence[Tokenizer], vocabulary: Vocabulary) -> Joined:
        """What makes the tokens of this one and of others at once, the same as each makes: faster,
        where cases are few."""
        raise NotImplementedError(f"{self.name} is joined with none")

    def patch_length(self, timesteps: int) -> int:
        """Timesteps of a step. A series longer than any in train gets longer patches, not a cut."""
        return max(self.patch_, math.ceil(timesteps / self.max_steps_))

    def steps_of(self, timesteps: int) -> int:
        """S of a series."""
        return math.ceil(timesteps / self.patch_length(timesteps))

    def crowded(self, longest: int, room: int | None) -> bool:
        """Whether it is for lack of room that a step is more than one of `longest` timesteps."""
        return room is not None and room < min(longest, self.steps or longest)

    def _fit(
        self, cases: Cases, vocabulary: Vocabulary, rng: np.random.Generator, member: int
    ) -> None:
        """Learn from train; the patch length is known."""

    @abstractmethod
    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        """Tokenise values (b, T, F) with this patch length."""


@dataclass
class Embedder(Tokenizer):
    """A tokenizer whose tokens are vectors, one for each step, in the space of the words.

    A BERT divides every embedding by its standard deviation (LayerNorm) before its first layer
    reads it, and so cannot tell a faint step from a strong one. So vectors are put on a sphere: two
    of the D directions are given up, the mean of the entries, which LayerNorm takes away too, and
    a random one, along which each vector is lengthened until all are equally long.
    """

    discrete: ClassVar[bool] = False

    steps: int | None = 64
    """The most steps of a series; None takes as many as the language model can read."""
    scale: float = 8.0
    """Standard deviation of the embeddings before they are lengthened, in units of the words'. So
    large that the position embeddings are small beside them."""
    sphere: bool = True
    """Whether all embeddings are equally long."""

    class State(Tokenizer.State):
        """What fitting has learned."""

        center_: Annotated[Tensor, numbers("float32", "D")]
        gain_: Annotated[Tensor, numbers("float32", "D")]
        direction_: NotRequired[Annotated[Tensor, numbers("float32", "D")]]
        radius_: NotRequired[NonNegative]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.scale > 0, f"{self.name}: scale must be positive")
        require(isinstance(self.sphere, bool), f"{self.name}: sphere is true or false")

    def _learn_space(
        self, vectors: Tensor, vocabulary: Vocabulary, rng: np.random.Generator
    ) -> None:
        """Learn from vectors (n, D) of train how to bring them into the space of the words."""
        self.center_ = vectors.mean(dim=0)
        spread = vectors.std(dim=0, correction=0)
        unit = torch.where(spread > 1e-6, spread, torch.ones_like(spread))
        self.gain_ = self.scale * vocabulary.word_scale / unit
        if not self.sphere:
            return
        size = vectors.shape[1]
        require(size > 2, f"{self.name}: a hidden size of {size} has no room for a sphere")
        signs = rng.permutation(np.resize([1.0, -1.0], size))
        signs -= signs.mean()
        self.direction_ = torch.from_numpy(signs / np.linalg.norm(signs)).to(torch.float32)
        norms = self._flat(vectors).norm(dim=1).numpy()
        # Where nearly all steps are alike and flat, the quantile is their small length: the root of
        # the mean square leaves room for the few others.
        self.radius_ = float(max(np.quantile(norms, _WITHIN), np.sqrt(np.mean(norms**2))))

    def _place(self, vectors: Tensor) -> Tensor:
        """Vectors (..., D) in the space of the words."""
        if not self.sphere:
            return self._scaled(vectors)
        flat = self._flat(vectors)
        norms = flat.norm(dim=-1, keepdim=True)
        # What is longer than all but a few of train is cut to the radius.
        flat *= (self.radius_ / norms.clamp(min=1e-12)).clamp(max=1)
        missing = (self.radius_**2 - norms.square()).clamp(min=0).sqrt()
        return flat.addcmul_(missing, sent(self.direction_, flat.device))

    def _scaled(self, vectors: Tensor) -> Tensor:
        centred = vectors - sent(self.center_, vectors.device)
        return centred.mul_(sent(self.gain_, vectors.device))

    def _flat(self, vectors: Tensor) -> Tensor:
        """Scaled, and nothing left along the ones and along the direction of lengthening."""
        scaled = self._scaled(vectors)
        scaled -= scaled.mean(dim=-1, keepdim=True)
        direction = sent(self.direction_, scaled.device)
        return scaled.addcmul_((scaled @ direction).unsqueeze(-1), direction, value=-1)


def _narrow(makes: str) -> list[Piece]:
    """The tokenizers whose steps are one token, however many features there are."""
    named = [name for name in tokenizers if tokenizers[name].makes == makes]
    able = [name for name in named if tokenizers.build(name).width(2) == 1]
    pieces: list[Piece] = []
    for name in able:
        pieces += [" or ", Setting("tokenizer", name)]
    return pieces[1:]


def pool_mean(values: Tensor, patch: int) -> Tensor:
    """Means (b, S, F) over patches of values (b, T, F); the last patch may be shorter."""
    patch = min(patch, values.shape[1])
    if patch == 1:
        return values
    pooled = functional.avg_pool1d(
        values.transpose(1, 2), patch, ceil_mode=True, count_include_pad=False
    )
    return pooled.transpose(1, 2)
