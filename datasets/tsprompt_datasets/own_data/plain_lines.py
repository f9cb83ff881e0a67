"""The archives' plain lines: a label, then values. Without labels, they look just the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tsprompt.errors import DatasetError, Setting
from tsprompt_datasets.load import load_file
from tsprompt_datasets.own_data.columns import is_missing, is_number, shown
from tsprompt_datasets.own_data.data_file import DataFile
from tsprompt_datasets.own_data.options import NO_LABEL
from tsprompt_datasets.readers import SeriesFile

__all__ = ["FIRST", "LABELS", "may_have_names", "read_plain"]

FIRST = "first"
"""What says that the first column is the label."""
LABELS = (None, FIRST, "1", NO_LABEL)
"""What can be said of the label where columns have no names."""
_SEPARATORS = re.compile(r"[\t,\s]+")


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


def may_have_names(file: DataFile) -> bool:
    """Whether the first line of a plain file could name columns: `lab 0 1 2` above cases.

    Its first field is then a text that no case has, and either all cases begin with a number, or
    the fields after it count the timesteps.
    """
    with file.open() as opened:
        lines = (one.decode("utf-8-sig", errors="replace").strip() for one in opened)
        rows = (_SEPARATORS.split(one) for one in lines if one)
        name, *rest = next(rows)
        if is_number(name) or is_missing(name):
            return False
        steps = [str(i) for i in range(len(rest) + 1)]
        counted = len(rest) > 2 and rest in (steps[:-1], steps[1:])
        below = 0
        for first, *_ in rows:
            below += 1
            if first == name or not (counted or is_number(first) or is_missing(first)):
                return False
    return below > 0


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
