"""`decompose`: one prompt in parts, each beside a part of the series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from tsprompt.base.state import Count, Index
from tsprompt.combinations.base import Combination, Evidence, Task, combinations
from tsprompt.data import Cases, FloatArray
from tsprompt.heads import Head, Judgement
from tsprompt.heads.lesson import Labels

__all__ = ["Decompose"]


@combinations.register("decompose")
@dataclass
class Decompose(Combination):
    """Prompt decomposition: a question about the whole becomes questions about its parts (Liu et
    al. 2023, section 5.4; Cui et al. 2021 ask about each span of a sentence).

    The features (channels) of the series are split into `n_prompts` groups, or into as many as
    there are features. One prompt is drawn, `n_prompts` times as long as a single one, and cut into
    as many parts. Each member reads its own channels alone, under its part of the prompt; what is
    said about all parts stands side by side under one head. A series of one feature is cut into
    windows of time instead, all equally long; where T is no multiple of their number, they overlap.
    """

    keeps_channels: ClassVar[bool] = False
    streams: ClassVar[bool] = True

    class State(Combination.State):
        """What fitting has learned."""

        windows_: Count
        channels_: list[list[Index]]

    def draw_of(self, member: int) -> int:
        """The first draw, for all: but each is fitted to what its member sees."""
        return 0

    def parts_of(self, members: int) -> int:
        """One for each member."""
        return members

    def share_out(self, cases: Cases, labels: Labels, n_classes: int, n_prompts: int) -> list[Task]:
        """The whole task for each part."""
        features = cases.n_features
        count = n_prompts if features == 1 else min(n_prompts, features)
        self.windows_ = count if features == 1 else 1
        self.channels_ = [part.tolist() for part in np.array_split(np.arange(features), count)]
        return [Task.whole(n_classes)] * count

    def view(self, cases: Cases, member: int) -> Cases:
        """Its channels, or its window of time."""
        if self.windows_ > 1:
            return cases.map(lambda values: self._window(values, member))
        if self.channels_[member] == list(range(cases.n_features)):
            return cases
        return cases.map(lambda values: values[:, :, self.channels_[member]])

    def _window(self, values: FloatArray, member: int) -> FloatArray:
        """(b, T', F) of values (b, T, F)."""
        timesteps = values.shape[1]
        length = math.ceil(timesteps / self.windows_)
        start = round((timesteps - length) * member / (self.windows_ - 1))
        return values[:, start : start + length]

    def fit(self, evidence: Evidence, head: Head, seed: int) -> None:
        """Fit one head on what is said about all parts."""
        self._keep([head.fresh().fit(evidence.lesson(seed))])

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Those of the head."""
        return self.heads_[0].probabilities(features)

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Those of the head."""
        return self.heads_[0].log_chances(features)

    def judged(self, evidence: Evidence) -> Judgement | None:
        """What the head said."""
        return self.heads_[0].judged
