"""Parts of train: nested ones that grow, and pairs to learn from and to judge by. Never test."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tsprompt.base.seeds import generator
from tsprompt.data import Dataset, Split
from tsprompt.errors import ConfigError, InputError, Setting

__all__ = [
    "LEAST",
    "class_counts",
    "cut",
    "few_of_each",
    "growing_order",
    "held_out",
    "least_size",
    "spaced_sizes",
]

LEAST = 2
"""Cases of each class that any part to learn from has, where the class has so many."""

Index = npt.NDArray[np.intp]
Labels = npt.NDArray[np.str_]


def class_counts(labels: Labels, name: str) -> Counter[str]:
    """Cases of each class.

    Raises
    ------
    InputError
        There is one class only.
    """
    counts = Counter(map(str, labels.tolist()))
    if len(counts) < 2:
        only = next(iter(counts), "none")
        raise InputError(
            f"{name}: train has one class only ({only}); there is nothing to tell apart, "
            "whatever the number of cases: give a set with two classes or more"
        )
    return counts


# --- parts that grow ---


def least_size(counts: Counter[str]) -> int:
    """The fewest cases that have `LEAST` of each class, or all that a class has."""
    return sum(min(LEAST, count) for count in counts.values())


def spaced_sizes(counts: Counter[str], wanted: Sequence[int] | None = None) -> list[int]:
    """Numbers of train cases, the least first, all of train last.

    Parameters
    ----------
    wanted
        Numbers that were asked for; all of train joins them. None: all of train, half of it, a
        quarter, ... down to the fewest that have two of each class.

    Raises
    ------
    ConfigError
        A wanted number is more than there are, or too few for two of each class.
    """
    total, least = sum(counts.values()), least_size(counts)
    if wanted is None:
        halves = [total]
        while halves[-1] // 2 >= least:
            halves.append(halves[-1] // 2)
        return halves[::-1]
    for one in wanted:
        if not least <= one <= total:
            raise ConfigError(
                Setting("sizes"),
                f": {one} cases can't be taken; train has {total}, and {least} are the fewest that "
                f"have {LEAST} of each of the {len(counts)} classes (or all that a class has): "
                f"give numbers from {least} to {total}",
            )
    return sorted({*wanted, total})


def growing_order(labels: Labels, seed: int) -> Index:
    """An order of train cases (B,), each beginning of which is a stratified part of train.

    First come `LEAST` of each class, then each class in proportion to its cases: the parts of any
    two sizes lie in one another.
    """
    rng = generator(seed, "subset")
    place = np.empty(len(labels))
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        # Where in its class a case stands, as a share: what Webster's apportionment sorts by.
        share = (np.arange(len(own)) + 0.5) / len(own)
        share[:LEAST] -= 1
        place[own] = share
    return np.argsort(place, kind="stable")


# --- parts to learn from and to judge by ---


def held_out(
    labels: Labels, splits: int, share: float, seed: int, groups: Labels | None = None
) -> list[tuple[Index, Index]]:
    """Pairs of positions in train, to learn from and held out: drawn anew for each of `splits`.

    Parameters
    ----------
    share
        Of each class that is held out.
    groups
        (B,) what must stand on one side: a person, a machine, a day.

    Raises
    ------
    InputError
        A class has too few cases, or there are too few groups, for both sides.
    """
    if groups is not None:
        return [_by_groups(labels, groups, share, seed, number) for number in range(splits)]
    pairs = []
    for number in range(splits):
        rng = generator(seed, "held out", number)
        held = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels):
            own = rng.permutation(np.flatnonzero(labels == label))
            _check_class(str(label), len(own))
            held[own[: min(max(1, round(share * len(own))), len(own) - LEAST)]] = True
        pairs.append((np.flatnonzero(~held), np.flatnonzero(held)))
    return pairs


def _check_class(label: str, count: int) -> None:
    if count <= LEAST:
        raise InputError(
            f"class {label} has {count} train {'case' if count == 1 else 'cases'}, and advice "
            f"inside train needs {LEAST + 1} of each class: {LEAST} to learn from and 1 to judge "
            "by; add cases, or leave the class out"
        )


def _by_groups(
    labels: Labels, groups: Labels, share: float, seed: int, number: int
) -> tuple[Index, Index]:
    """Groups held out, so that both sides have every class."""
    from sklearn.model_selection import StratifiedGroupKFold

    parts = max(2, min(round(1 / share), len(set(groups.tolist()))))
    # Which groups share a part goes by their order: shuffled here, as scikit-learn shuffles no more
    # than counts.
    codes = np.unique(groups, return_inverse=True)[1]
    codes = generator(seed, "held out", number).permutation(codes.max() + 1)[codes]
    with warnings.catch_warnings():  # of classes that are not in every part
        warnings.simplefilter("ignore", UserWarning)
        found = list(StratifiedGroupKFold(parts).split(labels, labels, codes))
    whole = set(labels.tolist())
    for learn, held in found:
        counts = Counter(labels[learn].tolist())
        if set(counts) == whole and min(counts.values()) >= LEAST:
            return learn, held
    raise InputError(
        f"the {len(set(groups.tolist()))} groups of train can't be parted so that {LEAST} cases of "
        "each class remain to learn from; give a column with more groups"
    )


def few_of_each(labels: Labels, learn: Index, few: int | None, seed: int) -> Index | None:
    """Of these positions `few` of each class, those of a smaller number among those of a larger;
    None: all. None comes back where a class has fewer."""
    if few is None:
        return learn
    rng = generator(seed, "few")
    taken = []
    for label in np.unique(labels):
        own = rng.permutation(learn[labels[learn] == label])
        if len(own) < few:
            return None
        taken.append(own[:few])
    return np.sort(np.concatenate(taken))


# --- both ---


def cut(dataset: Dataset, name: str, learn: Index, judge: Index | None = None) -> Dataset:
    """The set with a part of its train to learn from; with `judge`, another part stands for test.

    What part it is becomes one of the set's hashes: records of other parts are other runs.
    """
    train = dataset.train
    chosen = hashlib.sha256(np.asarray(learn, dtype="<i8").tobytes())
    if judge is not None:
        chosen.update(b"|" + np.asarray(judge, dtype="<i8").tobytes())
    return dataclasses.replace(
        dataset,
        name=name,
        train=_part(train, learn),
        test=dataset.test if judge is None else _part(train, judge),
        sha256={**dataset.sha256, "positions in train": chosen.hexdigest()},
    )


def _part(split: Split, index: Index) -> Split:
    return Split(split.cases.take(index), split.labels[index])
