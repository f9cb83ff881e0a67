"""What a benchmark asks of a classifier that it compares with."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tsprompt.base.part import Part
from tsprompt.base.registry import Registry
from tsprompt.data import Cases, as_cases, label_array
from tsprompt.errors import ConfigError, InputError, counted

__all__ = ["Baseline", "baselines"]

baselines: Registry[Baseline] = Registry("baseline")


@dataclass
class Baseline(Part):
    """A classifier of series (B, T, F) of any length, with gaps; test is seen by `predict` alone.

    What a method needs of its input (filled gaps, one length, standardised values) it learns from
    train by `tsprompt.preprocessings`, and what it chooses, it chooses inside train.
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
    uses_device: ClassVar[bool] = False
    """Whether it runs a network where `device` says."""
    random_state = 0
    """The seed of a fit: set it before."""
    device = "auto"
    """Where a network runs (`auto`, `cpu`, `cuda`, ...): set it before a fit, too."""

    def fit(self, X: object, y: npt.ArrayLike) -> Baseline:
        """Learn from train (B, T, F) and labels (B,).

        Raises
        ------
        ConfigError
            A package that it needs is not installed.
        InputError
            X is no batch of series, or y does not fit it or has one class only.
        """
        self.check()
        cases = as_cases(X)
        labels = label_array(y, len(cases))
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y has one class only ({self.classes_[0]}); two or more are needed")
        self.n_features_ = cases.n_features
        self._fit(cases, numbers, self.random_state)
        return self

    def predict_proba(self, X: object) -> npt.NDArray[np.float64]:
        """Class probabilities (B, C), in the order of `classes_`.

        Raises
        ------
        InputError
            X is no batch of series, or has another number of features than train.
        """
        cases = as_cases(X)
        if cases.n_features != self.n_features_:
            raise InputError(
                f"X has {counted(cases.n_features, 'feature')}, {self.name} was fitted with "
                f"{self.n_features_}; give the same features in the same order"
            )
        return self._probabilities(cases)

    def predict(self, X: object) -> npt.NDArray[Any]:
        """The most probable label (B,) of each case."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    @property
    def n_parameters(self) -> int | None:
        """How many numbers it has learned; None where that can't be said."""
        return None

    @property
    def total_parameters(self) -> int | None:
        """The same, and those that it was given; None where that can't be said."""
        return self.n_parameters

    @property
    def validation(self) -> tuple[float, str] | None:
        """Accuracy on cases of train that it did not learn from, and how they were chosen."""
        return None

    @classmethod
    def missing(cls) -> list[str]:
        """The packages that it needs and that are not installed."""
        return [package for package in cls.packages if find_spec(package) is None]

    @classmethod
    def remedy(cls) -> str:
        """What installs its packages."""
        return f'pip install "tsprompt[{cls.extra}]"'

    def check(self) -> None:
        """See that it can run here.

        Raises
        ------
        ConfigError
            A package is missing; the text says what to install.
        """
        if missing := self.missing():
            raise ConfigError(
                f"the baseline {self.name!r} needs {' and '.join(missing)}: {self.remedy()}"
            )

    @abstractmethod
    def _fit(self, cases: Cases, labels: npt.NDArray[np.intp], seed: int) -> None:
        """Learn from cases and class numbers (B,)."""

    @abstractmethod
    def _probabilities(self, cases: Cases) -> npt.NDArray[np.float64]:
        """(B, C)."""
