"""`bins`: each value becomes the number of the bin that it falls into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from tsprompt.base.accelerator import sent
from tsprompt.base.part import require, require_one_of
from tsprompt.base.state import numbers
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.tokenizers.base import Tokenizer, Vocabulary, pool_mean, tokenizers

__all__ = ["Bins"]


@tokenizers.register("bins")
@dataclass
class Bins(Tokenizer):
    """Discretise, one token per feature: ids (b, S, F).

    Equal-width bins lie between the minimum and maximum of each feature over train; values beyond
    fall into the outer ones. A patch is represented by its mean (piecewise aggregate
    approximation, Keogh et al. 2001).
    """

    discrete: ClassVar[bool] = True
    by_channel: ClassVar[bool] = True

    bins: int = 100
    """How many bins."""
    edges: str = "width"
    """`width`: bins of equal width; `quantile`: bins that hold equally many train values."""
    words: str = "numbers"
    """What bin i is to the language model: the word of the number i (`numbers`), vocabulary entry
    i whatever it is (`index`, as in the original experiments), or a random word (`random`)."""

    class State(Tokenizer.State):
        """What fitting has learned."""

        edges_: Annotated[Tensor, numbers("float32", "F", "E")]
        ids_: Annotated[Tensor, numbers("int64", "bins", least=0, below="V")]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.bins >= 2, "bins: bins must be 2 or more")
        require_one_of(self, "edges", ("width", "quantile"))
        require_one_of(self, "words", ("numbers", "index", "random"))

    def width(self, n_features: int) -> int:
        """One token for each feature."""
        return n_features

    def _fit(
        self, cases: Cases, vocabulary: Vocabulary, rng: np.random.Generator, member: int
    ) -> None:
        values = np.concatenate(list(cases))
        if self.edges == "width":
            low, high = values.min(axis=0), values.max(axis=0)
            edges = np.linspace(low, high, self.bins + 1, axis=1)[:, 1:-1]
        else:
            edges = np.quantile(values, np.linspace(0, 1, self.bins + 1)[1:-1], axis=0).T
        self.edges_ = torch.from_numpy(np.ascontiguousarray(edges, dtype=np.float32))
        self.ids_ = torch.tensor(self._choose_words(vocabulary, rng))

    def _choose_words(self, vocabulary: Vocabulary, rng: np.random.Generator) -> list[int]:
        words = vocabulary.words
        if self.words == "index":
            size = len(vocabulary.word_vectors)
            require(self.bins <= size, f"bins: the vocabulary has only {size} entries")
            return list(range(self.bins))
        if self.words == "random":
            plain = words.plain
            require(self.bins <= len(plain), f"bins: the vocabulary has only {len(plain)} words")
            return [int(i) for i in rng.choice(plain, size=self.bins, replace=False)]
        ids = [words.id(str(i)) for i in range(self.bins)]
        if None in ids:
            raise ConfigError(
                f"bins: the vocabulary of {vocabulary.name} has no single word for the number "
                f"{ids.index(None)}; use bins={ids.index(None)} or fewer, or words=random"
            )
        return [i for i in ids if i is not None]

    def _transform(self, values: Tensor, patch: int, vocabulary: Vocabulary) -> Tensor:
        means = pool_mean(values, patch).contiguous()
        edges = sent(self.edges_, means.device)
        numbers = [
            torch.searchsorted(edges[f], means[..., f].contiguous(), right=True)
            for f in range(means.shape[2])
        ]
        return sent(self.ids_, means.device)[torch.stack(numbers, dim=2)]
