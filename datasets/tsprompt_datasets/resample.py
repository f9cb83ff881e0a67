"""Other splits of a data set into train and test, drawn as the field does: stratified."""

from __future__ import annotations

import dataclasses

import numpy as np

from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import ConfigError

__all__ = ["resample_dataset"]


def resample_dataset(dataset: Dataset, resample: int) -> Dataset:
    """Draw train and test anew from both, with the default split's class counts in each.

    Parameters
    ----------
    dataset
        A set with its default split.
    resample
        0 is the default split itself; any other number is a draw of its own, always the same.

    Raises
    ------
    ConfigError
        `resample` is negative.
    """
    if resample < 0:
        raise ConfigError(f"resample is {resample}; it must be 0 (the default split) or more")
    if resample == 0:
        return dataset
    cases = Cases.joined(dataset.train.cases, dataset.test.cases)
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    rng = np.random.default_rng(resample)
    in_train = np.zeros(len(labels), dtype=bool)
    for label in dataset.classes:
        drawn = rng.permutation(np.flatnonzero(labels == label))
        in_train[drawn[: np.count_nonzero(dataset.train.labels == label)]] = True
    train, test = (
        Split(cases.take(index), labels[index])
        for index in (np.flatnonzero(in_train), np.flatnonzero(~in_train))
    )
    return dataclasses.replace(dataset, train=train, test=test)
