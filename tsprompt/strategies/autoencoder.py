"""`autoencoder`: compress the series to a short latent vector first, then one shared prompt."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt import progress
from tsprompt.base.accelerator import n_numbers, sent, training_device
from tsprompt.base.best_so_far import Best
from tsprompt.base.part import Part, require, require_one_of
from tsprompt.base.seeds import generator, seeded_torch
from tsprompt.base.state import Between, Count, Figure, numbers
from tsprompt.data import Cases, FloatArray
from tsprompt.preprocessings.resample import resample
from tsprompt.strategies.base import strategies
from tsprompt.strategies.shared import Shared

__all__ = ["AutoEncoder"]

_BATCH = 32
"""Cases in a step of training."""
_LONGEST = 512
"""Timesteps that the networks see; longer series are resampled to this many."""


@strategies.register("autoencoder")
@dataclass
class AutoEncoder(Shared):
    """An autoencoder fitted on train makes each case a vector of `latent` numbers.

    The vector, standardised, is tokenised like a series with one feature and takes the way of
    `shared`. Series are resampled to the longest of train (at most 512 timesteps) for the network.
    Training minimises the mean squared error and stops early on a part of train held out; both
    errors are reported, in units of the series' variance, for the autoencoder overfits easily.
    """

    keeps_channels: ClassVar[bool] = False
    quick: ClassVar[dict[str, Any]] = {"epochs": 30, "patience": 30, "latent": 8, "hidden": 16}

    network: str = "conv"
    """`mlp`, `conv` or `lstm`."""
    latent: int = 32
    """Length of the latent vector; never more than the numbers of a series."""
    hidden: int = 32
    """Units (mlp, lstm) or channels (conv) of the networks."""
    epochs: int = 200
    """The most passes over train."""
    patience: int = 20
    """Epochs without improvement after which training ends."""
    learning_rate: float = 2e-3
    """Step size of NAdam."""
    validation: float = 0.2
    """Share of train that is held out."""

    class State(Part.State):
        """What fitting has learned."""

        timesteps_: Annotated[int, Between(int, least=1, most=_LONGEST)]
        n_features_: Annotated[int, Between(int, least=1, most=1 << 20)]
        latent_: Count
        weights_: dict[str, Annotated[Tensor, numbers("float32")]]
        mean_: Annotated[Tensor, numbers("float32", "Z")]
        spread_: Annotated[Tensor, numbers("float32", "Z", above=0)]
        errors_: dict[str, Figure]

    def __post_init__(self) -> None:
        require_one_of(self, "network", tuple(_NETWORKS))
        require(self.latent >= 2 and self.hidden >= 2, "autoencoder: latent and hidden: 2 or more")
        require(min(self.epochs, self.patience) >= 1, "autoencoder: counts must be 1 or more")
        require(0 < self.validation < 1, "autoencoder: validation lies between 0 and 1")
        require(self.learning_rate > 0, "autoencoder: learning_rate must be positive")

    def fit_transform(self, cases: Cases, seed: int) -> Cases:
        """Train the autoencoder; compress train."""
        self.timesteps_ = min(int(cases.lengths.max()), _LONGEST)
        self.n_features_ = cases.n_features
        self.latent_ = min(self.latent, self.timesteps_ * self.n_features_)
        values = self._equal(cases)
        order = generator(seed, "autoencoder").permutation(len(values))
        held = max(1, round(self.validation * len(values))) if len(values) > 1 else 0
        with seeded_torch(seed):
            model = self._module()
            # Most of a step is the widest of its layers, once for each timestep.
            rows = _BATCH * (1 if self.network == "mlp" else self.timesteps_)
            place = training_device(self.device, n_numbers(model), rows)
            learned, checked = values[order[held:]], values[order[:held] if held else order]
            self._train(model.to(place), learned.to(place), checked.to(place))
        self.weights_ = {key: value.detach().cpu() for key, value in model.state_dict().items()}
        latent = self._encode(values)
        self.mean_, spread = latent.mean(dim=0), latent.std(dim=0, correction=0)
        self.spread_ = torch.where(spread > 1e-6, spread, torch.ones_like(spread))
        return self.transform(cases)

    def transform(self, cases: Cases) -> Cases:
        """Cases of `latent` timesteps and one feature."""
        latent = (self._encode(self._equal(cases)) - self.mean_) / self.spread_
        return Cases(latent.unsqueeze(2).numpy())

    def _equal(self, cases: Cases) -> Tensor:
        """(B, T', F) values of one length."""
        out: FloatArray = np.empty((len(cases), self.timesteps_, cases.n_features), np.float32)
        for index, values in cases.groups():
            out[index] = resample(values, self.timesteps_)
        return torch.from_numpy(out)

    def _module(self) -> _Network:
        network = _NETWORKS[self.network]
        return network(self.timesteps_, self.n_features_, self.latent_, self.hidden)

    def _train(self, model: _Network, train: Tensor, held: Tensor) -> None:
        optimiser = torch.optim.NAdam(model.parameters(), lr=self.learning_rate)
        best = Best(copy.deepcopy(model.state_dict()), self.patience)
        for epoch in range(self.epochs):
            model.train()
            for part in torch.randperm(len(train)).split(_BATCH):
                optimiser.zero_grad()
                own = train[sent(part, train.device)]
                functional.mse_loss(model(own), own).backward()
                optimiser.step()
            if best.offer(_error(model, held)):
                best.kept = copy.deepcopy(model.state_dict())
            progress.report("autoencoder", epoch + 1, self.epochs)
            if best.exhausted:
                break
        model.load_state_dict(best.kept)
        progress.report("autoencoder", self.epochs, self.epochs)
        self.errors_ = {"train": _error(model, train), "validation": best.loss}

    def _encode(self, values: Tensor) -> Tensor:
        """(B, latent) of values (B, T', F)."""
        with torch.device("meta"):  # without a random start, nor memory for it
            model = self._module()
        model.load_state_dict(self.weights_, assign=True)
        model.eval()
        with torch.no_grad():
            return torch.cat([model.encode(part) for part in values.split(256)])

    @property
    def n_parameters(self) -> int:
        """Weights of the encoder and the decoder."""
        return sum(int(weight.numel()) for weight in self.weights_.values())

    def report(self) -> dict[str, Any]:
        """Mean squared reconstruction errors of train and of the part held out."""
        return {f"{part} reconstruction error": error for part, error in self.errors_.items()}


class _Network(nn.Module, ABC):
    """Encodes values (B, T, F) to (B, Z), and decodes them again."""

    @abstractmethod
    def encode(self, values: Tensor) -> Tensor: ...

    @abstractmethod
    def decode(self, latent: Tensor) -> Tensor: ...

    def forward(self, values: Tensor) -> Tensor:
        out: Tensor = self.decode(self.encode(values))
        return out


class _Perceptrons(_Network):
    def __init__(self, timesteps: int, features: int, latent: int, hidden: int) -> None:
        super().__init__()
        size = timesteps * features
        self.shape = (timesteps, features)
        self.encoder = nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, size))

    def encode(self, values: Tensor) -> Tensor:
        out: Tensor = self.encoder(values.flatten(1))
        return out

    def decode(self, latent: Tensor) -> Tensor:
        out: Tensor = self.decoder(latent).unflatten(1, self.shape)
        return out


class _Convolutions(_Network):
    """Convolutions, pooled to Z places and one channel; the mirror image decodes.

    The latent vector keeps the order of time, so that a tokenizer finds neighbours in it.
    """

    def __init__(self, timesteps: int, features: int, latent: int, hidden: int) -> None:
        super().__init__()
        self.timesteps = timesteps
        self.inward = nn.Sequential(
            nn.Conv1d(features, hidden, 5, padding=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(latent),
            nn.Conv1d(hidden, hidden, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(hidden, 1, 1),
        )
        self.outward = nn.Sequential(nn.Conv1d(1, hidden, 5, padding=2), nn.ReLU())
        self.last = nn.Sequential(
            nn.Conv1d(hidden, hidden, 5, padding=2), nn.ReLU(), nn.Conv1d(hidden, features, 1)
        )

    def encode(self, values: Tensor) -> Tensor:
        out: Tensor = self.inward(values.transpose(1, 2))[:, 0]
        return out

    def decode(self, latent: Tensor) -> Tensor:
        coarse = self.outward(latent.unsqueeze(1))
        out: Tensor = self.last(functional.interpolate(coarse, self.timesteps, mode="linear"))
        return out.transpose(1, 2)


class _Recurrent(_Network):
    """An LSTM whose last state is the latent vector's source; another unrolls it again."""

    def __init__(self, timesteps: int, features: int, latent: int, hidden: int) -> None:
        super().__init__()
        self.timesteps = timesteps
        self.reader = nn.LSTM(features, hidden, batch_first=True)
        self.inward = nn.Linear(hidden, latent)
        self.outward = nn.Linear(latent, hidden)
        self.writer = nn.LSTM(hidden, hidden, batch_first=True)
        self.last = nn.Linear(hidden, features)

    def encode(self, values: Tensor) -> Tensor:
        _, (state, _) = self.reader(values)
        out: Tensor = self.inward(state[-1])
        return out

    def decode(self, latent: Tensor) -> Tensor:
        start = self.outward(latent).unsqueeze(1).expand(-1, self.timesteps, -1)
        states, _ = self.writer(start)
        out: Tensor = self.last(states)
        return out


_NETWORKS: dict[str, type[Any]] = {
    "mlp": _Perceptrons,
    "conv": _Convolutions,
    "lstm": _Recurrent,
}


def _error(model: _Network, values: Tensor) -> float:
    model.eval()
    with torch.no_grad():
        parts = [functional.mse_loss(model(part), part) * len(part) for part in values.split(256)]
    return float(sum(parts)) / len(values)
