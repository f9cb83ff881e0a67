"""Cases parted into train and test: by a share, by groups, or into the parts of a cross-validation.

All draws keep the classes in proportion, and start from a seed.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.errors import DatasetError, Setting, counted
from tsprompt_datasets.own_data.columns import shown
from tsprompt_datasets.own_data.content import Content
from tsprompt_datasets.own_data.options import SplitOptions

__all__ = ["TEST_SIZE", "split"]

TEST_SIZE = 0.3
"""The share of cases that become test where nothing is said."""

IntArray = npt.NDArray[np.intp]


def split(name: str, content: Content, options: SplitOptions) -> tuple[IntArray, IntArray, str]:
    """Positions of the cases of train and of test, and how they were drawn, in words.

    Raises
    ------
    DatasetError
        There are too few cases of a class, or too few groups.
    """
    labels = content.require_labels(name)
    counts = Counter(labels.tolist())
    if content.groups is not None:
        train, test, said = _by_groups(name, labels, content.groups, options)
    elif options.cv is not None:
        train, test, said = _fold(name, labels, options)
    else:
        train, test, said = _share(name, labels, options)
    lacking = set(labels[test].tolist()) - set(labels[train].tolist())
    if lacking:
        one = min(lacking, key=str)
        raise DatasetError(
            f"{name}: class {shown(one)} ({counted(counts[one], 'case')}) is in test alone after "
            "the split, where nothing can learn it; give another ",
            Setting("seed"),
            ", ",
            Setting("test", "FILE"),
            ", or more groups or cases of it",
        )
    return train, test, said


def _share(
    name: str, labels: npt.NDArray[Any], options: SplitOptions
) -> tuple[IntArray, IntArray, str]:
    """A share of each class; a class of one case stays in train."""
    from sklearn.model_selection import train_test_split

    size = TEST_SIZE if options.test_size is None else options.test_size
    counts = Counter(labels.tolist())
    single = np.array([counts[one] == 1 for one in labels.tolist()])
    drawn = np.flatnonzero(~single)
    classes = len(counts) - int(single.sum())
    wanted = max(int(np.ceil(size * len(drawn))), classes)
    if not classes or len(drawn) - wanted < classes:
        raise DatasetError(
            f"{name}: {counted(len(labels), 'case')} of {len(counts)} classes are too few to part "
            "into train and test; give a test file with ",
            Setting("test"),
            ", or a smaller ",
            Setting("test_size"),
        )
    train, test = train_test_split(
        drawn, test_size=wanted, stratify=labels[drawn], random_state=options.seed
    )
    train = np.sort(np.concatenate([train, np.flatnonzero(single)]))
    said = (
        f"test: {len(test)} of {counted(len(labels), 'case')}, drawn in proportion to the classes "
        f"(a share of {size:g}, seed {options.seed})"
    )
    return train, np.sort(test), said


def _fold(
    name: str, labels: npt.NDArray[Any], options: SplitOptions
) -> tuple[IntArray, IntArray, str]:
    from sklearn.model_selection import StratifiedKFold

    assert options.cv is not None
    rare, count = Counter(labels.tolist()).most_common()[-1]
    if count < min(options.cv, 2) or len(labels) < options.cv:
        raise DatasetError(
            f"{name}: class {shown(rare)} has {counted(count, 'case')}; cross-validation needs 2 "
            "or more of each: add some, or leave the class out"
        )
    most = max(Counter(labels.tolist()).values())
    if most < options.cv:
        raise DatasetError(
            f"{name}: no class has {options.cv} cases; give ", Setting("cv", most), " or less"
        )
    with warnings.catch_warnings():  # of classes that are not in every part
        warnings.simplefilter("ignore", UserWarning)
        folds = list(
            StratifiedKFold(options.cv, shuffle=True, random_state=options.seed).split(
                labels, labels.astype(str)
            )
        )
    return (*_chosen(folds, options), _folds_text(len(labels), "cases", options))


def _by_groups(
    name: str, labels: npt.NDArray[Any], groups: npt.NDArray[np.str_], options: SplitOptions
) -> tuple[IntArray, IntArray, str]:
    from sklearn.model_selection import StratifiedGroupKFold

    size = TEST_SIZE if options.test_size is None else options.test_size
    parts = options.cv or max(2, round(1 / size))
    number = len(set(groups.tolist()))
    if options.cv is None:
        parts = min(parts, number)
    if number < max(parts, 2):
        raise DatasetError(
            f"{name}: {counted(number, 'group')} can't be parted into {max(parts, 2)}; give fewer "
            "parts, or a column with more groups"
        )
    # scikit-learn's own shuffling moves counts, not groups: those that are alike would share a part
    # whatever the seed.
    codes = np.unique(groups, return_inverse=True)[1]
    codes = np.random.default_rng(options.seed).permutation(number)[codes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        folds = list(StratifiedGroupKFold(parts).split(labels, labels.astype(str), codes))
    if options.cv is not None:
        return (*_chosen(folds, options), _folds_text(number, "groups", options))
    # The part whose test has every class, if there is one, and whose size is nearest.
    target = size * len(labels)
    whole = set(labels.tolist())
    train, test = min(
        folds,
        key=lambda fold: (
            set(labels[fold[0]].tolist()) != whole,
            set(labels[fold[1]].tolist()) != whole,
            abs(len(fold[1]) - target),
        ),
    )
    apart = len(set(groups[test].tolist()))
    said = (
        f"test: {len(test)} of {counted(len(labels), 'case')}, those of {apart} of "
        f"{counted(number, 'group')} (seed {options.seed})"
    )
    return np.asarray(train), np.asarray(test), said


def _chosen(folds: list[Any], options: SplitOptions) -> tuple[IntArray, IntArray]:
    train, test = folds[options.fold]
    return np.asarray(train), np.asarray(test)


def _folds_text(number: int, what: str, options: SplitOptions) -> str:
    return (
        f"test: part {options.fold + 1} of {options.cv} of a cross-validation over {number:,} "
        f"{what} (seed {options.seed})"
    )
