"""What a benchmark asks of a classifier that it compares with."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tsprompt.data import Cases, as_cases
from tsprompt.errors import ConfigError, InputError
from tsprompt.part import Part
from tsprompt.registry import Registry

__all__ = ["Baseline", "baselines"]

baselines: Registry[Baseline] = Registry("baseline", "tsprompt.baselines")


@dataclass
class Baseline(Part):
    """A classifier of series (B, T, F) of any length, with gaps; test is seen by `predict` alone.

    What a method needs of its input (filled gaps, one length, standardised values) it learns from
    train by `tsprompt.preprocessing`, and what it chooses, it chooses inside train.
    """

    title: ClassVar[str]
    """What tables call it."""
    source: ClassVar[str]
    """Author, year, and whose implementation it is."""
    packages: ClassVar[tuple[str, ...]] = ()
    """What must be importable."""
    extra: ClassVar[str | None] = None
    """The extra of tsprompt that installs them."""
    seeded: ClassVar[bool] = True
    """Whether another seed gives another result."""
    random_state = 0
    """The seed of a fit: set it before."""

    def fit(self, X: object, y: npt.ArrayLike) -> Baseline:
        """Learn from train (B, T, F) and labels (B,).

        Raises
        ------
        ConfigError
            A package that it needs is not installed.
        InputError
            X is no batch of series, or y does not fit it.
        """
        self.require_packages()
        cases, labels = as_cases(X), np.asarray(y)
        if labels.shape != (len(cases),):
            raise InputError(f"y has shape {labels.shape}; X has {len(cases)} cases")
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        self._fit(cases, numbers, self.random_state)
        return self

    def predict_proba(self, X: object) -> npt.NDArray[np.float64]:
        """Class probabilities (B, C), in the order of `classes_`."""
        return self._probabilities(as_cases(X))

    def predict(self, X: object) -> npt.NDArray[Any]:
        """The most probable label (B,) of each case."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    @property
    def n_parameters(self) -> int | None:
        """How many numbers it has learned; None where that can't be said."""
        return None

    @classmethod
    def require_packages(cls) -> None:
        """See that it can run here.

        Raises
        ------
        ConfigError
            A package is missing; the text says what to install.
        """
        missing = [package for package in cls.packages if find_spec(package) is None]
        if missing:
            raise ConfigError(
                f"the baseline {cls.name!r} needs {' and '.join(missing)}: "
                f'pip install "tsprompt[{cls.extra}]"'
            )

    @abstractmethod
    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        """Learn from cases and class numbers (B,)."""

    @abstractmethod
    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        """(B, C)."""
