"""Labels: which are classes, and how they come back with the type and spelling they came with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tsprompt.data.numbers import is_gap, is_tensor
from tsprompt.errors import InputError

__all__ = ["label_array", "labels_from_json", "labels_to_json"]

Labels = npt.NDArray[Any]

_DATES = {date: "date", datetime: "datetime"}
"""Python's own dates that a saved model keeps, and what it calls them."""


def label_array(y: Any, count: int | None = None, *, argument: str = "y") -> Labels:
    """Labels (B,) as an array of one type.

    Parameters
    ----------
    y
        Whole numbers, texts, booleans, dates, or floats without a fraction; an array, a list, a
        column of a data frame or a tensor.
    count
        B, if that is known.
    argument
        The name to use in messages.

    Raises
    ------
    InputError
        There is not one label for each case, one is missing or has a fraction, they are of several
        types, or of one that a saved model can't keep.
    """
    if y is None:
        raise InputError(f"{argument} is None; give one label for each case")
    labels = _array(y, argument)
    _check_shape(labels, count, argument)
    if labels.dtype == object:
        _check_objects(labels, argument)
    elif labels.dtype.kind == "f":
        _check_floats(labels, argument)
    elif labels.dtype.kind in "mM" and np.isnat(labels).any():
        _refuse_gap(int(np.flatnonzero(np.isnat(labels))[0]), "NaT", argument)
    elif labels.dtype.kind not in "iubUmM":
        kind = "bytes" if labels.dtype.kind == "S" else f"labels of type {labels.dtype}"
        raise _unkept(kind, argument)
    return labels


def labels_to_json(labels: Labels) -> tuple[list[Any], str]:
    """Labels as JSON holds them, and the name of their type for `labels_from_json`."""
    if labels.dtype.kind in "mM":
        return labels.astype(np.int64).tolist(), labels.dtype.str
    kind = _DATES.get(type(labels[0])) if labels.dtype == object and len(labels) else None
    if kind:
        return [one.isoformat() for one in labels], kind
    return [one.item() if isinstance(one, np.generic) else one for one in labels.tolist()], (
        labels.dtype.str
    )


def labels_from_json(values: list[Any], dtype: str) -> Labels:
    """What `labels_to_json` has spelled."""
    for kind, name in _DATES.items():
        if dtype == name:
            return _objects([kind.fromisoformat(one) for one in values])
    if dtype == "|O":
        return _objects(values)
    if np.dtype(dtype).kind in "mM":
        return np.array(values, dtype=np.int64).astype(dtype)
    return np.array(values, dtype=dtype)


def _array(y: Any, argument: str) -> Labels:
    """An array of one type; what NumPy would change to get there stays an object."""
    if is_tensor(y):
        y = y.detach().cpu().numpy()
    if isinstance(y, (list, tuple)):
        y = [one.item() if is_tensor(one) and not one.ndim else one for one in y]
    elif not isinstance(y, np.ndarray):
        y = np.asarray(y)
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        _refuse_gap(int(np.flatnonzero(np.ma.getmaskarray(y).ravel())[0]), "masked", argument)
    try:
        labels = np.asarray(y)
    except ValueError as error:
        raise InputError(f"{argument} is no list of labels: {error}") from None
    if labels.dtype.kind == "T":
        labels = labels.astype(np.str_)
    if isinstance(y, list) and labels.ndim == 1 and labels.dtype != object:
        # ["a", 1] would become two texts, [True, 2] two numbers, and a text loses a last NUL.
        came = _objects(y)
        same = len({_kind(one) for one in y}) == 1 and (labels == came).all()
        return labels if same and _kind(labels[0]) == _kind(y[0]) else came
    return labels


def _check_shape(labels: Labels, count: int | None, argument: str) -> None:
    if labels.ndim == 1 and count in (None, len(labels)):
        return
    cases = "case" if count is None else f"of the {count} cases of X"
    remedy = f"one label for each {cases} is needed"
    if labels.ndim == 2 and count in (None, len(labels)):
        if labels.shape[1] == 1:
            remedy += f"; give {argument}.ravel()"
        elif _is_one_hot(labels):
            remedy += (
                f"; these are one-hot, a column for each class: give {argument}.argmax(axis=1), or "
                "the names of the classes by these numbers"
            )
        else:
            remedy += ", and a case has one class here; choose a column"
    raise InputError(f"{argument} has shape {labels.shape}; {remedy}")


def _is_one_hot(labels: Labels) -> bool:
    if labels.dtype.kind not in "fiub":
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all())


def _check_objects(labels: Labels, argument: str) -> None:
    for i, label in enumerate(labels):
        if is_gap(label) or (isinstance(label, float) and np.isinf(label)):
            _refuse_gap(i, label, argument)
    kinds = {_kind(label) for label in labels}
    if len(kinds) > 1:
        names = ", ".join(sorted(kinds))
        raise InputError(f"{argument} mixes labels of several types ({names}); convert them to one")
    for label in labels:
        if isinstance(label, bytes):
            raise _unkept("bytes", argument)
        zoned = isinstance(label, datetime) and label.tzinfo is not None
        if type(label) not in _DATES and not isinstance(label, (str, bool, np.bool_, Real)):
            raise _unkept(f"labels of type {type(label).__name__}", argument)
        if zoned or _kind(label) not in ("str", "bool", "int", "float", "date", "datetime"):
            kind = "dates with a time zone" if zoned else f"labels of type {_kind(label)}"
            raise _unkept(kind, argument)
    if kinds == {"float"}:
        _check_floats(labels.astype(np.float64), argument)


def _check_floats(labels: Labels, argument: str) -> None:
    bad = np.flatnonzero(~np.isfinite(labels))
    if len(bad):
        raise InputError(
            f"{argument} holds NaN or inf, the first at {bad[0]}; remove these cases or label them"
        )
    parts = labels[labels != np.floor(labels)]
    if len(parts):
        raise InputError(
            f"{argument} holds continuous values such as {parts[0]:g} (Unknown label type: "
            "continuous); a classifier learns classes: cut them into ranges, or use a regressor"
        )


def _refuse_gap(place: int, label: object, argument: str) -> None:
    raise InputError(
        f"{argument}[{place}] is {label}, which is no class; remove these cases or label them"
    )


def _unkept(what: str, argument: str) -> InputError:
    if what == "bytes":
        return InputError(
            f"{argument} holds bytes, which no file of labels can keep; give "
            f"np.char.decode({argument})"
        )
    return InputError(
        f"{argument} holds {what}, which no saved model can keep; give numbers, dates without a "
        f"time zone, or texts, for instance [str(one) for one in {argument}]"
    )


def _kind(label: object) -> str:
    """What a label is, whether Python or NumPy holds it."""
    if isinstance(label, (bool, np.bool_)):
        return "bool"
    if isinstance(label, Integral):
        return "int"
    if isinstance(label, (float, np.floating)):
        return "float"
    return "str" if isinstance(label, str) else type(label).__name__


def _objects(values: Iterable[Any]) -> Labels:
    held = list(values)
    array = np.empty(len(held), dtype=object)
    array[:] = held
    return array
