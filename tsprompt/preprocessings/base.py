"""What every preprocessing does: learn from train, and bring whatever comes into that form."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import Part
from tsprompt.base.registry import Registry
from tsprompt.data import Cases
from tsprompt.errors import ConfigError

__all__ = ["Preprocessing", "preprocessings"]

preprocessings: Registry[Preprocessing] = Registry("preprocessing")


@dataclass
class Preprocessing(Part):
    """Cases (B, T, F) as they come become cases without gaps, on one scale."""

    length: int | None
    """Timesteps that every case is brought to; None: each keeps its own."""

    @abstractmethod
    def fit(self, cases: Cases) -> Self:
        """Learn from train."""

    @abstractmethod
    def transform(self, cases: Cases, *, argument: str = "X") -> Cases:
        """The same cases, prepared; `argument` is what errors call them."""

    def fill(self, cases: Cases, *, argument: str = "X") -> Cases:
        """The same cases as they came, but for their gaps, as far as it fills any."""
        return cases

    def train_mean(self) -> npt.NDArray[np.float64]:
        """(F,) train's mean of each feature.

        Raises
        ------
        ConfigError
            It has not learned any.
        """
        raise ConfigError(
            f"the preprocessing {self.name!r} knows no mean of train, with which explanations fill "
            "what they take away; give it a method train_mean"
        )
