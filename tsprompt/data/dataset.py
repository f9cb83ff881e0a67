"""A data set: train and test kept apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tsprompt.data.cases import Cases

__all__ = ["Dataset", "Split"]


@dataclass(frozen=True)
class Split:
    """One part (train or test) of a data set."""

    cases: Cases
    """B series."""
    labels: npt.NDArray[np.str_]
    """(B,) class labels, as the file spells them."""

    def __len__(self) -> int:
        return len(self.cases)


@dataclass(frozen=True)
class Dataset:
    """A classification problem as its archive ships it: train and test kept apart."""

    name: str
    """The archive's name of it."""
    train: Split
    """What fitting may see."""
    test: Split
    """What is read once, at the end."""
    source: str
    """Where it was found: `bundled`, `data-dir` or `download`."""
    sha256: dict[str, str] = field(default_factory=dict)
    """File name -> hash of the file's bytes."""
    development: Split | None = None
    """Cases with labels for validation alone, where train was cut down to a few shots."""
    unlabelled: Cases | None = None
    """What was left of train then; the labels are gone."""

    @property
    def timesteps(self) -> int:
        """T of the longest case that a fit learns its scales from."""
        cases = self.train.cases if len(self.train) else self.unlabelled
        return int(cases.lengths.max()) if cases else 0

    @property
    def features(self) -> tuple[str, ...] | None:
        """(F,) names of the features; None where the data have none."""
        return self.test.cases.features or self.train.cases.features

    @property
    def classes(self) -> list[str]:
        """Labels of train and test, in the order of their first appearance in train."""
        return list(dict.fromkeys([*self.train.labels.tolist(), *self.test.labels.tolist()]))
