"""`prototype`: each class has a prototype, learned by contrast; the nearest one wins."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.base.blocks import collected
from tsprompt.base.part import require
from tsprompt.base.seeds import seeded_torch
from tsprompt.base.state import Index, numbers
from tsprompt.heads.base import Head, heads, softmax
from tsprompt.heads.early_stopping import EarlyStopping
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.subset import Subset
from tsprompt.heads.weighing import cross_entropy, mean_of, relative, standardiser_of

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
    streams: ClassVar[bool] = True
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

    def module(self, learn: Subset, n_classes: int) -> Prototypes:
        """Map and prototypes before any training, for features (B, R) to learn from."""
        vectors = self._vectors(learn.features)
        mean, unit = standardiser_of(vectors, learn.rows)
        model = Prototypes(mean.cpu(), unit.cpu(), self.size, n_classes, self.temperature)
        model.start(dataclasses.replace(learn, features=vectors))
        return model

    def _fit(self, lesson: Lesson) -> None:
        """Train with early stopping; optional features are features like others."""
        whole, learn, validate = self.held_out(lesson)
        features, labels = whole.features, torch.from_numpy(whole.labels)
        train, held = (
            Subset(features, labels, torch.from_numpy(part), relative(whole.weights, part))
            for part in (learn, validate)
        )
        with seeded_torch(lesson.seed):
            model = self.module(train, lesson.n_classes)
            coach = PrototypeCoach(self, model)
            best = self._descend(
                coach,
                lambda some, *truth: model.loss(self._vectors(some), *truth),
                lambda: copy.deepcopy(model.state_dict()),
                train,
                held,
                device=features.device,
            )
        self.weights_: dict[str, Any] = {key: value.detach().cpu() for key, value in best.items()}
        self.judge(whole, validate)

    def probabilities(self, features: Tensor) -> npt.NDArray[np.float64]:
        """Softmax of the scores."""
        return softmax(self.log_chances(features))

    def log_chances(self, features: Tensor) -> npt.NDArray[np.float64]:
        """(B, C) the mean cosines with the prototypes, at the temperature."""
        n_classes = len(self.weights_["prototypes"])
        scale = self.weights_["mean"], self.weights_["unit"]
        with seeded_torch(0), torch.no_grad():  # an overwritten start: leave the caller's numbers
            model = Prototypes(*scale, self.size, n_classes, self.temperature)
            model.load_state_dict(self.weights_)
            scores = collected(features, lambda some: model(self._vectors(some.cpu())))
        return np.asarray(scores.to(torch.float64).numpy())

    def coach(self, lesson: Lesson, hidden: int) -> nn.Module:
        """Its own map and prototypes, to be trained with the prompt by the cosines."""
        rows = torch.arange(len(lesson.labels))
        learn = Subset(
            lesson.features,
            torch.from_numpy(lesson.labels),
            rows,
            relative(lesson.train_weights),
        )
        return PrototypeCoach(self, self.module(learn, lesson.n_classes))

    @property
    def n_parameters(self) -> int:
        """Entries of the map and of the prototypes."""
        learned = ("prototypes", "project.weight")
        return sum(int(self.weights_[key].numel()) for key in learned)


class Prototypes(nn.Module):
    """A linear map of vectors (b, K, D), and a prototype for each class."""

    mean: Tensor
    unit: Tensor

    def __init__(
        self, mean: Tensor, unit: Tensor, size: int, n_classes: int, temperature: float
    ) -> None:
        """`mean` and `unit` (D,) are those of all vectors."""
        super().__init__()
        # About a weighted mean a heavy class would lie at nought, where vectors have no direction.
        self.register_buffer("mean", mean)
        self.register_buffer("unit", unit)
        self.temperature = temperature
        self.project = nn.Linear(len(mean), size, bias=False)
        self.prototypes = nn.Parameter(torch.randn(n_classes, size))

    def start(self, learn: Subset) -> None:
        """Put each prototype at the mean of its class."""
        sums = torch.zeros(self.prototypes.shape, dtype=torch.float64)
        total = torch.zeros(len(sums), 1, dtype=torch.float64)
        with torch.no_grad():
            for vectors, labels, weights in learn.blocks():
                mapped = self.map(vectors.cpu()).mean(dim=1).to(torch.float64)
                own = functional.one_hot(labels.cpu(), len(sums)).to(torch.float64)
                own = own if weights is None else own * weights.cpu()[:, None]
                sums += own.T @ mapped
                total += own.sum(dim=0)[:, None]
            there = total[:, 0] > 0
            self.prototypes[there] = (sums[there] / total[there]).to(self.prototypes)

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
