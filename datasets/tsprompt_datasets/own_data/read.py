"""Data of one's own: any common file, read into the same data sets that the archives give."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tsprompt.base.files import is_file, is_folder
from tsprompt.data import Dataset, Split
from tsprompt.errors import DatasetError, Setting, counted
from tsprompt_datasets.load import load_dataset
from tsprompt_datasets.own_data.cache import entry_name, kept_or_made
from tsprompt_datasets.own_data.case_folder import folder_hash
from tsprompt_datasets.own_data.columns import shown
from tsprompt_datasets.own_data.content import Content
from tsprompt_datasets.own_data.data_file import STDIN, DataFile
from tsprompt_datasets.own_data.location import Location, located
from tsprompt_datasets.own_data.options import ReadOptions, SplitOptions
from tsprompt_datasets.own_data.sources import (
    ENDINGS,
    KEPT,
    check_apart,
    content_of_file,
    content_of_folder,
    files_of,
    find_pair,
    has_own_data,
    sibling,
)
from tsprompt_datasets.own_data.splits import split
from tsprompt_datasets.resample import resample_dataset

__all__ = ["OwnData", "is_path", "read", "read_cases", "read_own"]

PathLike = str | os.PathLike[str]
_DEFAULT, _ALONE = ReadOptions(), SplitOptions()


@dataclasses.dataclass(frozen=True)
class OwnData:
    """A data set from a path, and how it was understood."""

    dataset: Dataset
    understood: tuple[str, ...]
    """Two lines or so: what was read, and how test came about."""
    columns: dict[str, Any]
    """Options that read new cases in the same way."""
    options: ReadOptions = _DEFAULT
    content: Content | None = None
    """All cases, where train and test are drawn from them."""
    parting: SplitOptions = _ALONE
    files: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    """Where train and test come from files of their own: part -> names and hashes of its files."""

    @property
    def whole(self) -> Split | None:
        """All cases, where train and test are drawn from them."""
        if self.content is None:
            return None
        return Split(self.content.cases, self.content.require_labels(self.dataset.name))

    @property
    def train_rows(self) -> npt.NDArray[np.intp] | None:
        """(B,) which of all cases are in train, in order; None where train is a file of its own."""
        if self.content is None:
            return None
        return split(self.dataset.name, self.content, self.parting)[0]

    @property
    def groups_of_train(self) -> npt.NDArray[np.str_] | None:
        """(B,) what must stand on one side, for each case of train; None where nothing must."""
        if self.content is None or self.content.groups is None:
            return None
        return self.content.groups[self.train_rows]

    def drawn(self, number: int) -> Dataset:
        """Another draw of train and test: part `number` of a cross-validation, or a seed.

        Where test is a file of its own, 0 is these two, and any other number mixes them as
        `resample_dataset` does.

        Raises
        ------
        DatasetError
            There are too few cases or groups for this draw.
        """
        if self.content is None:
            return resample_dataset(self.dataset, number)
        parting = self.parting
        if parting.cv is None:
            parting = dataclasses.replace(parting, seed=parting.seed + number)
        else:
            parting = dataclasses.replace(parting, fold=number)
        return _drawn(self.dataset.name, self.content, parting, self.dataset.sha256)[0]


def read(
    path: PathLike,
    *,
    label: str | None = None,
    id: str | None = None,
    time: str | None = None,
    values: Sequence[str] | str = (),
    layout: Literal["long", "wide"] | None = None,
    header: bool | None = None,
    test: PathLike | None = None,
    test_size: float | None = None,
    groups: str | None = None,
    cv: int | None = None,
    fold: int = 0,
    resample: str | int | None = None,
    seed: int = 0,
) -> Dataset:
    """Read a data set of one's own: a table, arrays, a file of an archive's format, or a folder.

    Parameters
    ----------
    path
        A file (.csv, .tsv, .parquet, .feather, .npz, .npy, .ts, .arff, ...; text also packed as
        .gz, .bz2 or .xz), a folder with a file for each case, a folder laid out as the archives
        are, or `-` for standard input.
    label, id, time
        Names of these columns; None: inferred. `label="none"`: there is none.
    values
        Columns of the series; none: all numbers that are nothing else.
    layout
        `long` (a row for each timestep) or `wide` (a row for each case); None: inferred.
    header
        Whether the first row names the columns; None: inferred.
    test
        A file of its own for test.
    test_size
        The share of cases that become test; 0.3 where the path says nothing of test.
    groups
        A column of persons, machines or days that must not stand on both sides.
    cv, fold
        Parts of a cross-validation, and which of them is test.
    resample
        Timesteps of each case, or the time between two such as `"0.02s"`, linearly interpolated.
    seed
        Of the draw of test.

    Raises
    ------
    DatasetError
        The file can't be read, can be understood in several ways, or is unfit to learn from.
    ConfigError
        Options contradict each other.
    """
    options = ReadOptions(
        label,
        id,
        time,
        tuple(_names(values)),
        layout,
        groups,
        None if resample is None else str(resample),
        header,
    )
    parting = SplitOptions(None if test is None else str(test), test_size, cv, fold, seed)
    return read_own(path, options, parting).dataset


def _names(values: Sequence[str] | str) -> Sequence[str]:
    return values.split(",") if isinstance(values, str) else values


def is_path(text: str) -> bool:
    """Whether this means a file or folder, not a set's name."""
    if text == STDIN or "/" in text or os.sep in text or text.startswith("~"):
        return True
    path = Path(text)
    if is_folder(path):  # or has a set's name by chance
        return find_pair(path) is not None or has_own_data(path)
    return is_file(path) or DataFile(path).suffix in (*ENDINGS, ".zip")


def read_cases(
    path: PathLike,
    options: ReadOptions = _DEFAULT,
    like: dict[str, Any] | None = None,
) -> Content:
    """Read all cases of a path, with labels or without.

    Parameters
    ----------
    like
        `Content.columns` of the file that a model was fitted on, whose columns are wanted.

    Raises
    ------
    DatasetError
        As `read`, but labels need not be there.
    """
    where = located(path)
    if where.archive is not None:
        dataset = load_dataset(where.path)
        held = dataset.test
        said = (f"archive set: the {counted(len(held), 'case')} of test",)
        return Content(held.cases, held.labels, None, said, sha256=dataset.sha256)
    parts, hashes = _parts(where, options, like)
    content = parts["all"] if "all" in parts else parts["test"]
    return dataclasses.replace(content, sha256=hashes)


def read_own(path: PathLike, options: ReadOptions, parting: SplitOptions) -> OwnData:
    """Read a data set from a path, and part it into train and test.

    Raises
    ------
    DatasetError
        The file can't be read, can be understood in several ways, or is unfit to learn from.
    """
    where = located(path)
    if where.archive is not None:
        _refuse_apart(where, options, parting)
        dataset = load_dataset(where.path)
        size = counted(len(dataset.test), "test case")
        said = f"archive set: train and test as they come, {size}"
        return OwnData(dataset, (said,), {}, options, files=files_of(dataset.sha256))
    parting = _with_sibling(where, options, parting)
    parts, hashes = _parts(where, options, None)
    if parting.test is not None:
        train = _only(where, parts)
        there = located(parting.test)
        tests, more = _parts(there, dataclasses.replace(options, groups=None), train.columns)
        check_apart(where.name, there.name, hashes, more)
        own = _pair(where, train, _only(there, tests), hashes | more, f"test: {there.name}")
        return dataclasses.replace(own, options=options, files={"train": hashes, "test": more})
    if "all" not in parts:
        _refuse_apart(where, options, parting)
        own = _pair(where, parts["train"], parts["test"], hashes, "test: as it comes")
        return dataclasses.replace(own, options=options, files=files_of(hashes))
    content = parts["all"]
    _check_classes(where.name, content)
    dataset, said = _drawn(where.name, content, parting, hashes)
    return OwnData(dataset, (*_summed(content), said), content.columns, options, content, parting)


def _drawn(
    name: str, content: Content, parting: SplitOptions, hashes: dict[str, str]
) -> tuple[Dataset, str]:
    """Train and test drawn from all cases, and how, in words."""
    labels = content.require_labels(name)
    train, test, said = split(name, content, parting)
    learn, score = (Split(content.cases.take(at), labels[at]) for at in (train, test))
    return Dataset(name, learn, score, "file", hashes), said


def _refuse_apart(where: Location, options: ReadOptions, parting: SplitOptions) -> None:
    drawn = (parting.test, parting.test_size, parting.cv, options.groups)
    if any(one is not None for one in drawn):
        raise DatasetError(
            f"{where.name}: holds train and test apart; leave out ",
            Setting("test_size"),
            ", ",
            Setting("cv"),
            " and ",
            Setting("groups"),
            ", or give one file",
        )


def _with_sibling(where: Location, options: ReadOptions, parting: SplitOptions) -> SplitOptions:
    """Beside a file called `NAME_TRAIN` lies its test, unless another way was asked for."""
    drawn = (parting.test, parting.test_size, parting.cv, options.groups)
    if where.file is None or any(one is not None for one in drawn):
        return parting
    other = sibling(where.path)
    return parting if other is None else dataclasses.replace(parting, test=str(other))


def _summed(content: Content) -> tuple[str, ...]:
    """What was understood, in one line."""
    return ("; ".join(content.understood),) if content.understood else ()


def _parts(
    where: Location, options: ReadOptions, like: dict[str, Any] | None
) -> tuple[dict[str, Content], dict[str, str]]:
    """What a path holds, `all` or `train` and `test`, and the hashes of its files."""
    if where.file is not None:
        file = where.file
        file.check()
        return _read_file(file, options, like), {file.name: file.sha256}
    pair = find_pair(where.path)
    if pair is not None:
        found = {part: _parts(located(path), options, like) for part, path in pair.items()}
        check_apart(pair["train"].name, pair["test"].name, found["train"][1], found["test"][1])
        hashes = {name: own for _, more in found.values() for name, own in more.items()}
        return {part: _only(located(pair[part]), own) for part, (own, _) in found.items()}, hashes
    sha256 = folder_hash(where.path)
    name = entry_name(sha256, "folder", options.as_dict())
    content = kept_or_made(name, lambda: content_of_folder(where.path, options))
    return {"all": content}, {f"{where.name}/": sha256}


def _read_file(
    file: DataFile, options: ReadOptions, like: dict[str, Any] | None
) -> dict[str, Content]:
    if file.suffix not in KEPT:
        return content_of_file(file, options, like)
    name = entry_name(file.sha256, file.suffix, options.as_dict(), like)
    return {"all": kept_or_made(name, lambda: content_of_file(file, options, like)["all"])}


def _only(where: Location, parts: dict[str, Content]) -> Content:
    if "all" not in parts:
        raise DatasetError(f"{where.name}: holds train and test apart; give one file for each")
    return parts["all"]


def _pair(
    where: Location, train: Content, test: Content, hashes: dict[str, str], said: str
) -> OwnData:
    """Train and test from files of their own."""
    learn, score = (
        Split(own.cases, own.require_labels(f"{where.name}, {part}"))
        for part, own in (("train", train), ("test", test))
    )
    _check_classes(where.name, train)
    dataset = Dataset(where.name, learn, score, "file", hashes)
    _check_pair(dataset)
    line = f"{said}, {counted(len(test), 'case')}"
    return OwnData(dataset, (*_summed(train), line), train.columns)


def _check_classes(name: str, content: Content) -> None:
    """See that there is something to tell apart."""
    labels = content.require_labels(name)
    counts = Counter(labels.tolist())
    if len(counts) < 2:
        raise DatasetError(
            f"{name}: all cases have the label {shown(labels[0])}; two classes or more are needed: "
            "check ",
            Setting("label"),
        )
    if len(counts) == len(labels) > 2:
        raise DatasetError(
            f"{name}: each case has a label of its own (such as {shown(labels[0])} and "
            f"{shown(labels[1])}), so nothing can be learnt; give the column of the classes with ",
            Setting("label"),
        )
    if labels.dtype.kind == "f" and not np.equal(np.mod(labels, 1), 0).all():
        raise DatasetError(
            f"{name}: the labels are numbers such as {labels[0]:g}, and tsprompt classifies; give "
            "a column of classes with ",
            Setting("label"),
        )


def _check_pair(dataset: Dataset) -> None:
    """What train and test must agree on."""
    train, test = dataset.train, dataset.test
    if train.cases.n_features != test.cases.n_features:
        raise DatasetError(
            f"{dataset.name}: train has {counted(train.cases.n_features, 'feature')}, test has "
            f"{test.cases.n_features}; they must be the same"
        )
    known = set(train.labels.tolist())
    unseen = Counter(one for one in test.labels.tolist() if one not in known)
    if unseen:
        said = ", ".join(f"{shown(one)} ({counted(n, 'case')})" for one, n in unseen.items())
        raise DatasetError(
            f"{dataset.name}: test has labels that train never had: {said}; correct them, or move "
            "some of these cases to train"
        )
