"""`tip-adapter`: the texts of the classes, and beside them the labelled plots of train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.part import require, several
from tsprompt.base.state import NonNegative, Positive, numbers
from tsprompt.heads.base import heads
from tsprompt.heads.class_texts import ClassTexts
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.weighing import as_tensor, cross_entropy, relative

__all__ = ["TipAdapter", "cached_scores"]


@heads.register("tip-adapter")
@dataclass
class TipAdapter(ClassTexts):
    """CLIP's few-shot classifier without training (Tip-Adapter, Zhang et al. 2022).

    ``score(x) = exp(t) f W + alpha exp(-beta (1 - f K)) L``: f is the plot in the space that it
    shares with texts, W are the texts of the classes, K the plots of train (the cache's keys) and L
    their labels, one-hot (its values). Alpha and beta are those of the grids with the least
    leave-one-out loss over train, in which a case's own key is left out; or with the least loss
    over a development sample.
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
        with torch.no_grad():
            said = self.say(lesson.features).cpu()
        weights = as_tensor(lesson.train_weights)
        self.keys_ = functional.normalize(said, dim=1)
        values = functional.one_hot(torch.from_numpy(lesson.labels), lesson.n_classes).float()
        self.values_ = values if weights is None else values * weights[:, None].float()
        answer = self._unfitted(said, self.choose(said, lesson), weights)
        self.ids_, self.words_, self.folds_ = answer.ids, self._names(answer.ids), 0
        self.prior_, self.weights_ = answer.prior, answer.weights
        self.scale_, self.bias_ = answer.scale, answer.bias
        self.voice_hash_ = self.met_scorer.weights_hash
        asked, labels, rows, own = said, lesson.labels, np.arange(len(said)), True
        told = lesson.train_weights
        if lesson.development is not None:
            with torch.no_grad():
                asked = self.say(lesson.development[0]).cpu()
            labels, told, own = lesson.development[1], lesson.development_weights, False
            rows = len(said) + np.arange(len(labels))
            self.developed_ = True
        truth = torch.from_numpy(labels)
        texts = answer.classes(self._score(asked, answer.flat))
        judged = {
            (alpha, beta): texts + alpha * self._cached(asked, beta, own=own)
            for alpha in self.alphas
            for beta in self.betas
        }
        loss = {
            pair: float(cross_entropy(scores, truth, relative(told)))
            for pair, scores in judged.items()
        }
        chosen = min(loss, key=lambda pair: loss[pair])
        self.alpha_, self.beta_ = float(chosen[0]), float(chosen[1])
        best, self.validation_loss_ = judged[chosen], loss[chosen]
        self.validation_accuracy_ = float((best.argmax(dim=1) == truth).double().mean())
        self._keep(rows, labels, best)

    def _cached(self, said: Tensor, beta: float, *, own: bool = False) -> Tensor:
        """(b, C) what the cache says of images (b, E); `own`: they are its keys, in their order."""
        images = functional.normalize(said, dim=1)
        return cached_scores(images, self.keys_, self.values_, beta, own=own)

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) scores of texts and cache."""
        with torch.no_grad():
            said = self.say(features).cpu()
        answer = self.answer
        scores = answer.classes(self._score(said, answer.flat))
        return np.asarray((scores + self.alpha_ * self._cached(said, self.beta_)).numpy())

    @property
    def n_parameters(self) -> int:
        """Alpha and beta: the cache holds what was read, and nothing that was trained."""
        return 2

    def validation_kind(self) -> str:
        """The development sample, or leave-one-out."""
        return "development sample" if self.developed_ else "leave-one-out over train"


def cached_scores(
    images: Tensor, keys: Tensor, values: Tensor, beta: float, *, own: bool = False
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
    own
        Whether the images are the keys, in their order: each then leaves itself out.
    """
    near = (-beta * (1 - images.double() @ keys.double().T)).exp()
    if own:
        near.fill_diagonal_(0)
    return near @ values.double()
