"""`prototype`: each class has a prototype, learned by contrast; the nearest one wins."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.base.part import require
from tsprompt.base.seeds import seeded_torch
from tsprompt.base.state import Index, numbers
from tsprompt.heads.base import Head, heads, softmax
from tsprompt.heads.early_stopping import EarlyStopping
from tsprompt.heads.lesson import Labels, Lesson
from tsprompt.heads.weighing import cross_entropy, mean_of, relative, standardiser

__all__ = ["Prototype", "contrast"]


@heads.register("prototype")
@dataclass
class Prototype(EarlyStopping, Head):
    """The prototypical verbalizer (ProtoVerb, Cui et al. 2022).

    A linear map takes what is said at the mask into a small space. There, cases of one class are
    pulled together and apart from the others' (instance to instance), and so are cases and the
    prototype of their class (instance to prototype); likeness is the cosine. The prototypes start
    at the means of their classes. NAdam, early stopping on a held-out part of train by its loss
    under the prototypes.

    Of several vectors of a case (several prompts, layers, or ``scope="step"``), each is mapped and
    compared by itself, and the likenesses are averaged.
    """

    reads_mask: ClassVar[bool] = True
    quick: ClassVar[dict[str, Any]] = {"epochs": 60}
    size: int = 64
    """Dimensions of the space of the prototypes."""
    temperature: float = 0.2
    """What cosines are divided by before a softmax."""
    learning_rate: float = 3e-3
    """Step size of NAdam."""
    epochs: int = 200
    """The most passes over train."""
    patience: int = 30
    """Epochs without improvement after which training ends."""
    batch: int = 64
    """Cases in a step."""
    validation: float = 0.25
    """Share of train that is held out."""

    class State(Head.State):
        """What fitting has learned."""

        epochs_run_: Index
        weights_: dict[str, Annotated[Tensor, numbers("float32")]]

    def __post_init__(self) -> None:
        counts = (self.size, self.epochs, self.patience, self.batch)
        require(min(counts) >= 1, "prototype: counts must be 1 or more")
        positive = min(self.temperature, self.learning_rate) > 0
        require(positive, "prototype: temperature and learning_rate must be positive")
        require(0 < self.validation < 1, "prototype: validation lies between 0 and 1")

    def meet(self, backbone: Backbone, *, classes: list[str]) -> None:
        """Learn how many entries a hidden state has."""
        self.met_size = backbone.state_size

    def _vectors(self, features: Tensor) -> Tensor:
        """(b, K, D) of features (b, K * D)."""
        require(
            features.shape[1] % self.met_size == 0,
            f"prototype: there are {features.shape[1]} features, but hidden states have "
            f"{self.met_size} entries; read the mask of one layer or of several",
        )
        return features.unflatten(1, (-1, self.met_size))

    def module(
        self, features: Tensor, labels: Labels, n_classes: int, weights: Tensor | None = None
    ) -> Prototypes:
        """Map and prototypes before any training, for features (B, R) to learn from."""
        vectors = self._vectors(features).cpu()
        model = Prototypes(vectors, self.size, n_classes, self.temperature)
        model.start(vectors, torch.from_numpy(labels), weights)
        return model

    def _fit(self, lesson: Lesson) -> None:
        """Train with early stopping; optional features are features like others."""
        whole, learn, validate = self.held_out(lesson)
        features = whole.features.cpu()
        truth, x = torch.from_numpy(whole.labels), self._vectors(features)
        weights, held = (relative(whole.weights, part) for part in (learn, validate))
        with seeded_torch(lesson.seed):
            model = self.module(features[learn], whole.labels[learn], lesson.n_classes, weights)
            best = self._descend(
                model,
                model.loss,
                lambda: copy.deepcopy(model.state_dict()),
                (x[learn], truth[learn], weights),
                (x[validate], truth[validate], held),
                device=whole.features.device,
            )
        self.weights_: dict[str, Any] = {key: value.detach().cpu() for key, value in best.items()}
        self.judge(whole, validate)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Softmax of the scores."""
        return softmax(self.log_chances(features))

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) the mean cosines with the prototypes, at the temperature."""
        vectors = self._vectors(features.cpu())
        with seeded_torch(0), torch.no_grad():  # an overwritten start: leave the caller's numbers
            n_classes = len(self.weights_["prototypes"])
            model = Prototypes(vectors[:1], self.size, n_classes, self.temperature)
            model.load_state_dict(self.weights_)
            return np.asarray(model(vectors).to(torch.float64).numpy())

    def coach(self, lesson: Lesson, hidden: int) -> nn.Module:
        """Its own map and prototypes, to be trained with the prompt by the cosines."""
        weights = relative(lesson.train_weights)
        model = self.module(lesson.features, lesson.labels, lesson.n_classes, weights)
        return PrototypeCoach(self, model)

    @property
    def n_parameters(self) -> int:
        """Entries of the map and of the prototypes."""
        learned = ("prototypes", "project.weight")
        return sum(int(self.weights_[key].numel()) for key in learned)


class Prototypes(nn.Module):
    """A linear map of vectors (b, K, D), and a prototype for each class."""

    mean: Tensor
    unit: Tensor

    def __init__(self, vectors: Tensor, size: int, n_classes: int, temperature: float) -> None:
        super().__init__()
        # About a weighted mean a heavy class would lie at nought, where vectors have no direction.
        mean, unit = standardiser(vectors.flatten(0, 1))
        self.register_buffer("mean", mean)
        self.register_buffer("unit", unit)
        self.temperature = temperature
        self.project = nn.Linear(vectors.shape[2], size, bias=False)
        self.prototypes = nn.Parameter(torch.randn(n_classes, size))

    def start(self, vectors: Tensor, labels: Tensor, weights: Tensor | None = None) -> None:
        """Put each prototype at the mean of its class."""
        with torch.no_grad():
            mapped = self.map(vectors).mean(dim=1)
            for number in labels.unique().tolist():
                own = labels == number
                counted = None if weights is None else weights[own]
                self.prototypes[number] = mean_of(mapped[own], counted)

    def map(self, vectors: Tensor) -> Tensor:
        """(b, K, size), of length 1."""
        scaled = (vectors - self.mean) / self.unit
        return functional.normalize(self.project(scaled), dim=-1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Scores (b, C): the mean cosine with each prototype, at the temperature."""
        own = functional.normalize(self.prototypes, dim=1)
        return (self.map(vectors) @ own.T).mean(dim=1) / self.temperature

    def loss(self, vectors: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
        """Both contrasts (Cui et al. 2022, equations 5 and 6)."""
        mapped = self.map(vectors)
        alike = torch.einsum("ike,jke->ij", mapped, mapped) / mapped.shape[1]
        to_prototypes = cross_entropy(self(vectors), labels, weights)
        return contrast(alike / self.temperature, labels, weights) + to_prototypes


def contrast(alike: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Instance to instance: how unlike cases (b,) of one class are, against all other cases.

    Parameters
    ----------
    alike
        (b, b) likeness of the cases; that of a case with itself is not looked at.
    weights
        (b,) how much each case counts as the one that is compared; None: all alike.
    """
    itself = torch.eye(len(labels), dtype=torch.bool, device=alike.device)
    chances = alike.masked_fill(itself, float("-inf")).log_softmax(dim=1)
    pairs = (labels[:, None] == labels) & ~itself
    if not pairs.any():
        return alike.sum() * 0
    if weights is None:
        return -chances[pairs].mean()
    return -mean_of(chances[pairs], weights.to(chances)[:, None].expand_as(chances)[pairs])


class PrototypeCoach(nn.Module):
    """The same, from features."""

    def __init__(self, head: Prototype, model: Prototypes) -> None:
        super().__init__()
        self.head, self.model = head, model

    def forward(self, features: Tensor) -> Any:
        """Scores (b, C) of features (b, R)."""
        return self.model(self.head._vectors(features))
