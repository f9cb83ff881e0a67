"""What pretrained encoders of series have in common: they are read, and never trained here."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import require
from tsprompt.baselines.base import Baseline
from tsprompt.baselines.weights import fill, find_weights, read_settings
from tsprompt.data import Cases
from tsprompt.preprocessings.standard import Standard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from torch import Tensor, nn

__all__ = ["RANDOM", "Foundation"]

RANDOM = "random"
"""Instead of weights: freshly drawn ones, the ablation of pretraining."""


@dataclass
class Foundation(Baseline):
    """Features of a frozen encoder, each feature of a case by itself, side by side; read by the
    very ridge head that the prompted language models have by default.

    Gaps are filled; the encoder scales each series itself. Weights are safetensors from a folder
    or from Hugging Face (its cache first); without them nothing is fitted.
    """

    uses_device = True

    weights: str = RANDOM
    """A model of Hugging Face, a folder with `model.safetensors` and `config.json`, or `random`."""
    batch: int = 64
    """Series that the encoder reads at once."""

    def __post_init__(self) -> None:
        require(self.batch >= 1, f"{self.name}: batch must be 1 or more")

    def check(self) -> None:
        """See that its packages and weights are here.

        Raises
        ------
        ConfigError
            A package is missing; the text says what to install.
        BackboneError
            The weights are not to be had; the text says what to do.
        """
        super().check()
        if self.weights != RANDOM:
            find_weights(self.weights)

    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        from tsprompt.backbones.load import pick_device
        from tsprompt.base.seeds import derive, seeded_torch
        from tsprompt.heads.lesson import Lesson
        from tsprompt.heads.ridge import Ridge

        with seeded_torch(derive(seed, self.name)):
            self.model_ = self._loaded().to(pick_device(self.device)).eval()
        self.preprocessing_ = Standard(standardise="none").fit(cases)
        seed = derive(seed, "head")
        self.head_ = Ridge().fit(Lesson(self._features(cases), labels, len(self.classes_), seed))

    def _loaded(self) -> nn.Module:
        if self.weights == RANDOM:
            return self._module({})
        folder = find_weights(self.weights)
        model = self._module(read_settings(folder))
        fill(model, folder, self._names())
        return model

    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        return self.head_.probabilities(self._features(cases))

    def _features(self, cases: Cases) -> Tensor:
        """(B, F D)."""
        import torch

        device = next(self.model_.parameters()).device
        prepared = self.preprocessing_.transform(cases)
        rows: list[Tensor] = [torch.empty(0)] * len(cases)
        with torch.no_grad():
            for index, values in prepared.groups():
                series = torch.from_numpy(values).transpose(1, 2).flatten(end_dim=1)
                parts = [self._embed(one.to(device)).cpu() for one in series.split(self.batch)]
                for place, row in zip(index, torch.cat(parts).chunk(len(index)), strict=True):
                    rows[place] = row.flatten()
        return torch.stack(rows)

    @property
    def n_parameters(self) -> int:
        """The head's; the encoder learns nothing."""
        return self.head_.n_parameters

    @property
    def total_parameters(self) -> int:
        """Encoder and head."""
        return self.n_parameters + sum(one.numel() for one in self.model_.parameters())

    @property
    def validation(self) -> tuple[float, str] | None:
        """The head's."""
        return self.head_.validation_accuracy_, self.head_.validation_kind()

    @abstractmethod
    def _module(self, settings: Mapping[str, Any]) -> nn.Module:
        """The encoder, as `config.json` describes it; of no settings, as it was published."""

    def _names(self) -> dict[str, str] | None:
        """Beginnings of names in the file of weights -> in the module; None: all are alike."""
        return None

    @abstractmethod
    def _embed(self, series: Tensor) -> Tensor:
        """(n, D) of series (n, T) without gaps."""
