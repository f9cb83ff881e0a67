"""What all networks among the baselines have in common."""

from __future__ import annotations

import importlib
import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import require
from tsprompt.baselines.base import Baseline
from tsprompt.data import Cases
from tsprompt.errors import notice
from tsprompt.preprocessings.standard import Standard

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Network", "tsai_models"]

_SHORTEST = 8
"""Timesteps that a series is lengthened to at the least."""


@dataclass
class Network(Baseline):
    """One of tsai's networks, trained by `tsprompt.baselines.training`, not by fastai.

    Gaps are filled, features standardised on train, and series resampled to the longest of train,
    but to 8 timesteps at the least. A part of train is held out, class by class, drawn by the
    seed: its loss ends training and chooses the weights. Where a class has one case only, nothing
    is held out, and a notice says so.
    """

    packages = ("tsai",)
    extra = "tsai"
    uses_device = True
    members = 1
    """Networks whose probabilities are averaged."""

    epochs: int = 1500
    """The most passes over train."""
    patience: int = 100
    """Epochs without less loss on the held-out part, after which training ends."""
    batch: int = 16
    """Cases in a step at the most."""
    learning_rate: float = 1e-3
    """Step size of Adam at the start; it falls to a tenth where the loss of train does not."""
    validation_share: float = 0.25
    """Share of train that is held out; 0: none, all epochs are run, and the loss of train chooses
    the weights, as published."""

    def __post_init__(self) -> None:
        name = self.name
        require(self.learning_rate > 0, f"{name}: learning_rate must be positive")
        counts = (self.epochs, self.patience, self.batch, self.members)
        require(min(counts) >= 1, f"{name}: epochs, patience, batch and members must be 1 or more")
        require(0 <= self.validation_share < 1, f"{name}: validation_share must be 0 to below 1")

    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        import torch

        from tsprompt.backbones.load import pick_device
        from tsprompt.base.seeds import derive, seeded_torch
        from tsprompt.baselines.training import Training, predict, train

        learn, held = self._parts(labels, seed)
        length = self._length(max(_SHORTEST, int(cases.lengths.max())))
        self.preprocessing_ = Standard(length=length)
        self.preprocessing_.fit(cases[learn])
        device = pick_device(self.device)
        values, numbers = self._values(cases), torch.from_numpy(labels)
        learned, validated = (
            (values[part].to(device), numbers[part].to(device)) for part in (learn, held)
        )
        how = Training(self.epochs, self.patience, self.batch, self.learning_rate)
        shape = (cases.n_features, len(self.classes_), length)
        self.models_ = []
        for member in range(self.members):
            with seeded_torch(derive(seed, self.name, member)):
                model = self._module(*shape).to(device)
                train(model, how, learned, validated if len(held) else None)
            self.models_.append(model)
        self.validation_accuracy_ = None
        if len(held):
            chances = self._mean([predict(model, values[held]) for model in self.models_])
            self.validation_accuracy_ = float((chances.argmax(axis=1) == labels[held]).mean())

    def _parts(
        self, labels: npt.NDArray[np.intp], seed: int
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Positions of the cases to learn from, and of those held out."""
        from tsprompt.heads.lesson import hold_out

        if self.validation_share and np.bincount(labels).min() < 2:
            notice(
                f"{self.name}: a class has one training case only, so none is held out: all "
                f"{self.epochs} epochs are run, and the loss of train chooses the weights"
            )
        elif self.validation_share:
            return hold_out(labels, self.validation_share, seed)
        return np.arange(len(labels)), np.arange(0)

    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        from tsprompt.baselines.training import predict

        values = self._values(cases)
        return self._mean([predict(model, values) for model in self.models_])

    @staticmethod
    def _mean(chances: list[Tensor]) -> npt.NDArray[np.float64]:
        return np.mean([one.numpy() for one in chances], axis=0)

    def _values(self, cases: Cases) -> Tensor:
        """(B, F, T), as tsai has them."""
        import torch

        prepared = self.preprocessing_.transform(cases)
        return torch.from_numpy(np.stack([one.T for one in prepared]))

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all members."""
        return sum(one.numel() for model in self.models_ for one in model.parameters())

    @property
    def validation(self) -> tuple[float, str] | None:
        """On the held-out part."""
        if self.validation_accuracy_ is None:
            return None
        return self.validation_accuracy_, f"{self.validation_share:.0%} of train held out"

    def _length(self, length: int) -> int:
        """What series are resampled to, of the length that they would have otherwise."""
        return length

    @abstractmethod
    def _module(self, features: int, classes: int, length: int) -> nn.Module:
        """The untrained network: values (B, F, T) -> scores (B, C)."""


def tsai_models(module: str) -> Any:
    """A module of `tsai.models`. All of tsai at once can't be imported beside the newest pyts."""
    with warnings.catch_warnings():
        # fastai, which they import, uses what torch has deprecated.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")
        return importlib.import_module(f"tsai.models.{module}")
