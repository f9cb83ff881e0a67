"""The data of a benchmark's cell."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from tsprompt.data import Dataset, Split
from tsprompt.errors import ConfigError, notice
from tsprompt_datasets.load import load_dataset
from tsprompt_datasets.resample import resample_dataset

if TYPE_CHECKING:
    from tsprompt.benchmark import Cell

__all__ = ["few_shot", "load_cell"]


def load_cell(cell: Cell, data_dir: str | None = None, *, download: bool = True) -> Dataset:
    """The set of a cell, in its resample, train cut down to its shots.

    Raises
    ------
    DatasetError
        The set can't be found or read.
    """
    dataset = load_dataset(cell.dataset, data_dir=data_dir, download=download)
    dataset = resample_dataset(dataset, cell.resample)
    return few_shot(dataset, cell.shots, cell.seed) if cell.shots else dataset


def few_shot(dataset: Dataset, shots: int, seed: int) -> Dataset:
    """Keep `shots` cases of each class of train, drawn at random; test is as it was.

    A class that has no more than these keeps all of them, and a notice says so.

    Raises
    ------
    ConfigError
        `shots` is below 1.
    """
    if shots < 1:
        raise ConfigError(f"shots is {shots}; it must be 1 or more")
    train, rng = dataset.train, np.random.default_rng([seed, shots])
    kept, fewer = [], []
    for label in dataset.classes:
        own = rng.permutation(np.flatnonzero(train.labels == label))
        kept.append(own[:shots])
        if len(own) < shots:
            fewer.append(f"{label} ({len(own)})")
    if fewer:
        notice(f"{dataset.name}: fewer than {shots} cases of train in: {', '.join(fewer)}")
    index = np.sort(np.concatenate(kept))
    few = Split(train.cases.take(index), train.labels[index])
    return dataclasses.replace(dataset, train=few)
