"""The archives' plain lines: a label, then values. Without labels, they look just the same."""

from __future__ import annotations

from collections.abc import Sequence

from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.load import load_file
from tsprompt_datasets.own_data.columns import shown
from tsprompt_datasets.own_data.data_file import DataFile
from tsprompt_datasets.own_data.options import NO_LABEL
from tsprompt_datasets.readers import SeriesFile

__all__ = ["FIRST", "read_plain"]

FIRST = "first"
"""What says that the first column is the label."""


def read_plain(file: DataFile, label: str | None, classes: Sequence[str] | None) -> SeriesFile:
    """The cases of a file whose columns have no names.

    Parameters
    ----------
    label
        What the user says: the `first` column, or `none`.
    classes
        What a model can tell apart, where the cases are for one: a first column of other values is
        none of its labels.

    Raises
    ------
    DatasetError
        The first column could be label or value.
    """
    if label in (FIRST, "1"):
        return load_file(file.path, label="first")
    if label == NO_LABEL:
        return load_file(file.path, label="none")
    if label is not None:
        raise DatasetError(
            f"{file.name}: its columns have no names; give ",
            Setting("label", FIRST),
            " where the first is the label, or ",
            Setting("label", NO_LABEL),
        )
    if classes is None:
        return load_file(file.path)
    held = load_file(file.path, label="first")
    if held.labels is None or _are_classes(file.name, held.labels.tolist(), classes):
        return held
    return load_file(file.path, label="none")


def _are_classes(name: str, labels: Sequence[str], classes: Sequence[str]) -> bool:
    """Whether a first column holds classes of the model: all of it, or nothing."""
    known = {*classes, *(_spelt(one) for one in classes)}
    found = [one in known or _spelt(one) in known for one in labels]
    if any(found) and not all(found):
        case = found.index(False)
        raise DatasetError(
            f"{name}, case {case + 1}: the first column holds classes of the model, and "
            f"{shown(labels[case])}, which is none; give ",
            Setting("label", FIRST),
            " if it is the label, or ",
            Setting("label", NO_LABEL),
            " if it is the first value",
        )
    return all(found)


def _spelt(text: str) -> str:
    """A number in one spelling; other text as it is."""
    try:
        return repr(float(text))
    except ValueError:
        return text
