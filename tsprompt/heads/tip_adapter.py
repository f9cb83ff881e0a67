"""`tip-adapter`: the texts of the classes, and beside them the labelled plots of train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.blocks import blocks, mapped, picked, read
from tsprompt.base.part import require, several
from tsprompt.base.state import NonNegative, Positive, numbers
from tsprompt.heads.base import heads
from tsprompt.heads.class_texts import ClassTexts
from tsprompt.heads.datastore import deciding
from tsprompt.heads.lesson import Labels, Lesson
from tsprompt.heads.weighing import as_tensor, cross_entropy, relative

__all__ = ["TipAdapter", "cached_scores"]

_IMAGES, _KEYS = 1_024, 4_096
"""Images and keys that are compared at once."""


@heads.register("tip-adapter")
@dataclass
class TipAdapter(ClassTexts):
    """CLIP's few-shot classifier without training (Tip-Adapter, Zhang et al. 2022).

    ``score(x) = exp(t) f W + alpha exp(-beta (1 - f K)) L``: f is the plot in the space that it
    shares with texts, W are the texts of the classes, K the plots of train (the cache's keys) and L
    their labels, one-hot (its values). Alpha and beta are those of the grids with the least
    leave-one-out loss over train, in which all keys of a case itself are left out; or with the
    least loss over a development sample; at most 4,000 cases, drawn at random, choose.
    """

    without_cases: ClassVar[str | None] = None

    alphas: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
    """How much the cache counts beside the texts."""
    betas: tuple[float, ...] = (1.0, 2.5, 5.5, 10.0, 25.0, 100.0, 400.0)
    """How sharply the cache tells near plots from others."""

    class State(ClassTexts.State):
        """What fitting has learned."""

        keys_: Annotated[Tensor, numbers("float32", "n", "E")]
        values_: Annotated[Tensor, numbers("float32", "n", "C", least=0)]
        alpha_: NonNegative
        beta_: Positive

    def __post_init__(self) -> None:
        super().__post_init__()
        self.alphas, self.betas = several(self.alphas), several(self.betas)
        require(len(self.alphas) > 0 and min(self.alphas) >= 0, "tip-adapter: alphas are 0 or more")
        require(len(self.betas) > 0 and min(self.betas) > 0, "tip-adapter: betas are above 0")

    @property
    def needs_cases(self) -> bool:
        """They are the cache."""
        return True

    def _fit(self, lesson: Lesson) -> None:
        """Keep the cache, and choose alpha and beta."""
        self._check_classes(lesson.n_classes)
        said = self.hear_all(lesson.features)
        weights = as_tensor(lesson.train_weights)
        self.keys_ = mapped(said, lambda some: functional.normalize(some, dim=1))
        values = functional.one_hot(torch.from_numpy(lesson.labels), lesson.n_classes).float()
        self.values_ = values if weights is None else values * weights[:, None].float()
        answer = self._unfitted(said, self.choose(said, lesson), weights)
        self.ids_, self.words_, self.folds_ = answer.ids, self._names(answer.ids), 0
        self.prior_, self.weights_ = answer.prior, answer.weights
        self.scale_, self.bias_ = answer.scale, answer.bias
        self.voice_hash_ = self.met_scorer.weights_hash
        asked, labels, told, first = said, lesson.labels, lesson.train_weights, 0
        if lesson.development is not None:
            asked = self.hear_all(lesson.development[0])
            labels, told, first = lesson.development[1], lesson.development_weights, len(said)
            self.developed_ = True
        rows = deciding(np.arange(len(labels)), lesson.seed, self.name)
        asked, labels = picked(asked, torch.from_numpy(rows)), labels[rows]
        groups = np.arange(len(said)) if lesson.groups is None else lesson.groups
        alike = None if self.developed_ else (groups[rows], groups)
        truth, counted = torch.from_numpy(labels), relative(told, rows)
        texts = self._classes(answer, asked)
        cached = {beta: self._cached(asked, beta, alike) for beta in self.betas}
        judged = {
            (alpha, beta): texts + alpha * cached[beta]
            for alpha in self.alphas
            for beta in self.betas
        }
        loss = {
            pair: float(cross_entropy(scores, truth, counted)) for pair, scores in judged.items()
        }
        chosen = min(loss, key=lambda pair: loss[pair])
        self.alpha_, self.beta_ = float(chosen[0]), float(chosen[1])
        best, self.validation_loss_ = judged[chosen], loss[chosen]
        self.validation_accuracy_ = float((best.argmax(dim=1) == truth).double().mean())
        self._keep(first + rows, labels, best)

    def _cached(
        self, said: Tensor, beta: float, alike: tuple[Labels, Labels] | None = None
    ) -> Tensor:
        """(b, C) what the cache says of images (b, E); `alike`: which cases these are (b,), and the
        keys (n,)."""
        parts = []
        for start in range(0, len(said), _IMAGES):
            rows = slice(start, start + _IMAGES)
            images = functional.normalize(read(said, rows), dim=1)
            cases = None if alike is None else (alike[0][rows], alike[1])
            parts.append(cached_scores(images, self.keys_, self.values_, beta, cases))
        return torch.cat([torch.zeros(0, self.values_.shape[1], dtype=torch.float64), *parts])

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) scores of texts and cache."""
        said = self.hear_all(features)
        scores = self._classes(self.answer, said)
        return np.asarray((scores + self.alpha_ * self._cached(said, self.beta_)).numpy())

    @property
    def n_parameters(self) -> int:
        """Alpha and beta: the cache holds what was read, and nothing that was trained."""
        return 2

    def validation_kind(self) -> str:
        """The development sample, or leave-one-out."""
        return "development sample" if self.developed_ else "leave-one-out over train"


def cached_scores(
    images: Tensor,
    keys: Tensor,
    values: Tensor,
    beta: float,
    alike: tuple[Labels, Labels] | None = None,
) -> Tensor:
    """``exp(-beta (1 - f K)) L``, (b, C), float64.

    Parameters
    ----------
    images
        f, (b, E), of length 1.
    keys
        K, (n, E), of length 1.
    values
        L, (n, C).
    alike
        Which cases the images (b,) and the keys (n,) are of: an image leaves out all keys of its
        own case, of which there are several where a case is read under several prompts.
    """
    sums = torch.zeros(len(images), values.shape[1], dtype=torch.float64)
    start, asked = 0, images.double()
    for _, block in blocks(keys):
        for some in block.split(_KEYS):
            near = (-beta * (1 - asked @ some.double().T)).exp()
            part = slice(start, start + len(some))
            if alike is not None:
                near[torch.from_numpy(alike[0][:, None] == alike[1][part])] = 0
            sums += near @ values[part].double()
            start = part.stop
    return sums
