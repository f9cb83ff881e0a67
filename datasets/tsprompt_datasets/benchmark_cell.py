"""The data of a benchmark's cell."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tsprompt.data import Dataset, Split
from tsprompt.errors import ConfigError, notice
from tsprompt_datasets.load import load_dataset
from tsprompt_datasets.own_data.file_sets import load_file_set
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
    if cell.file is not None:
        dataset = load_file_set(cell.file, cell.resample)
    else:
        dataset = load_dataset(cell.dataset, data_dir=data_dir, download=download)
        dataset = resample_dataset(dataset, cell.resample)
    return dataset if cell.shots is None else few_shot(dataset, cell.shots, cell.seed)


def few_shot(dataset: Dataset, shots: int, seed: int) -> Dataset:
    """Cut train down to `shots` cases of each class, drawn at random; test is as it was.

    Of what is left, another `shots` cases of each class are the development sample (Gao et al.
    2021), by which those validate that would else hold out a part of the few; the rest is
    unlabelled. Cases to learn from come first: a class that has fewer than twice `shots` gets fewer
    or no cases in the development sample, and one that has fewer than `shots` keeps all of them; a
    notice says so. With 0 shots train is empty and all of it is unlabelled.

    Raises
    ------
    ConfigError
        `shots` is negative.
    """
    if shots < 0:
        raise ConfigError(f"shots is {shots}; it must be 0 or more")
    train, rng = dataset.train, np.random.default_rng([seed, shots])
    drawn = {
        str(label): rng.permutation(np.flatnonzero(train.labels == label))
        for label in dataset.classes
    }
    _tell(dataset.name, {label: len(own) for label, own in drawn.items()}, shots)
    learn, develop, rest = (
        np.sort(np.concatenate([own[part] for own in drawn.values()]))
        for part in (slice(shots), slice(shots, 2 * shots), slice(2 * shots, None))
    )
    return dataclasses.replace(
        dataset,
        train=_part(train, learn),
        development=_part(train, develop) if len(develop) else None,
        unlabelled=train.cases.take(rest) if len(rest) else None,
    )


def _part(split: Split, index: npt.NDArray[np.intp]) -> Split:
    return Split(split.cases.take(index), split.labels[index])


def _tell(name: str, counts: dict[str, int], shots: int) -> None:
    """Say which classes have fewer cases than were asked for."""
    left = {label: max(count - shots, 0) for label, count in counts.items()}
    told = [
        f"fewer than {shots} cases of {what} in: {', '.join(fewer)}"
        for what, own in (("train", counts), ("train left for development", left))
        if (fewer := [f"{label} ({count})" for label, count in own.items() if count < shots])
    ]
    if told:
        notice(f"{name}: {'; '.join(told)}")
