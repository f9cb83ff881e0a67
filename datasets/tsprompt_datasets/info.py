"""What a data set looks like, in numbers."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass

import numpy as np

from tsprompt.data import Dataset, Split
from tsprompt_datasets.load import load_dataset

__all__ = ["DatasetInfo", "dataset_info", "describe_dataset"]


@dataclass(frozen=True)
class DatasetInfo:
    """A data set in numbers; `dataclasses.asdict` makes it JSON."""

    name: str
    """The archive's name of it."""
    source: str
    """`bundled`, `data-dir`, `download`, or `file`."""
    n_train: int
    """Cases to fit on."""
    n_test: int
    """Cases to score."""
    length_min: int
    """Timesteps of the shortest series of both."""
    length_max: int
    """Timesteps of the longest."""
    equal_length: bool
    """Whether these two are the same."""
    n_features: int
    """F."""
    missing: int
    """Missing values in both."""
    train_counts: dict[str, int]
    """Label -> cases in train; its order is the order of the classes."""
    test_counts: dict[str, int]
    """Label -> cases in test, in the same order."""
    sha256: dict[str, str]
    """File name -> hash of the file's bytes."""

    @property
    def classes(self) -> list[str]:
        """The labels, in order of their first appearance."""
        return list(self.train_counts)


def dataset_info(
    name: str, *, data_dir: str | os.PathLike[str] | None = None, download: bool = True
) -> DatasetInfo:
    """Read a set as `load_dataset` does, and describe it; raises as that does."""
    return describe_dataset(load_dataset(name, data_dir=data_dir, download=download))


def describe_dataset(dataset: Dataset) -> DatasetInfo:
    """The numbers of a set that is at hand."""
    train, test = dataset.train, dataset.test
    lengths = np.concatenate([train.cases.lengths, test.cases.lengths])
    return DatasetInfo(
        name=dataset.name,
        source=dataset.source,
        n_train=len(train),
        n_test=len(test),
        length_min=int(lengths.min()),
        length_max=int(lengths.max()),
        equal_length=bool(lengths.min() == lengths.max()),
        n_features=train.cases.n_features,
        missing=train.cases.missing + test.cases.missing,
        train_counts=_counts(train, dataset.classes),
        test_counts=_counts(test, dataset.classes),
        sha256=dict(dataset.sha256),
    )


def _counts(split: Split, classes: list[str]) -> dict[str, int]:
    counts = Counter(split.labels.tolist())
    return {str(label): counts[label] for label in classes}
