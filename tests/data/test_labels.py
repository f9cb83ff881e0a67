"""Labels come back with the type and spelling they came with, or are refused before a fit."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tsprompt.data import label_array, labels_from_json, labels_to_json
from tsprompt.errors import InputError

KEPT: list[Any] = [
    [1, 2],
    [1.0, 2.0],
    [True, False],
    ["a b", " c "],
    ["007", "7"],
    ["", "ü\n"],
    ["a\0", "a"],
    ["\ud800", "b"],
    [2**63, -1],
    [2**70, 1],
    [date(2020, 1, 31), date(2019, 2, 1)],
    [datetime(2020, 1, 31, 12), datetime(2019, 2, 1, 0, 0, 0, 5)],
    np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]"),
    np.array([1, 2], dtype="timedelta64[h]"),
    np.array([1, 2], dtype=np.uint8),
    np.array([1, 2], dtype=np.float16),
    np.array([1, 2], dtype=object),
    np.array(["x", "yy"], dtype=object),
    pd.Series(["x", "y"]),
    pd.Series(["x", "y"], dtype="category"),
    pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01"])),
    pd.Series([1, 2], dtype="Int64"),
]


@pytest.mark.parametrize("y", KEPT)
def test_what_goes_in_comes_out(y: Any) -> None:
    labels = label_array(y, 2)
    came = y if isinstance(y, list) else np.asarray(y).tolist()
    assert labels.tolist() == came
    values, dtype = labels_to_json(labels)
    back = labels_from_json(json.loads(json.dumps(values)), dtype)
    assert back.dtype == labels.dtype
    assert back.tolist() == labels.tolist()
    assert [type(one) for one in back.tolist()] == [type(one) for one in labels.tolist()]


def test_tensors_are_labels() -> None:
    assert label_array(torch.tensor([2, 1])).tolist() == [2, 1]
    assert label_array([torch.tensor(2), torch.tensor(1)]).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y is None; give one label for each case"),
        (["a", None], r"y\[1\] is None, which is no class"),
        (["a", np.nan], r"y\[1\] is nan, which is no class"),
        ([np.nan, 1.0], r"y\[0\] is nan"),
        (np.array([1.0, np.nan], dtype=object), r"y\[1\] is nan"),
        (np.array([1.0, np.nan]), "y holds NaN or inf, the first at 1"),
        (pd.Series([1, None], dtype="Int64"), r"y (holds NaN|\[1\] is <NA>)"),
        (pd.Series(["a", pd.NA]), r"y\[1\] is"),
        (np.array(["2020", "NaT"], dtype="datetime64[D]"), r"y\[1\] is NaT"),
        ([pd.NaT, date(2020, 1, 1)], r"y\[0\] is NaT"),
        (np.ma.array([1, 2], mask=[0, 1]), r"y\[1\] is masked"),
        ([0.5, 1.0], "continuous values such as 0.5 .Unknown label type: continuous"),
        (np.array([0.5, 1.0], dtype=object), "Unknown label type: continuous"),
        (np.array([0.25, 1.0], np.float32), "Unknown label type: continuous"),
        ([[1, 0], [0, 1]], r"shape \(2, 2\).*one-hot.* give y.argmax\(axis=1\)"),
        (pd.DataFrame({"a": [True, False], "b": [False, True]}), r"give y.argmax"),
        (torch.eye(2), r"give y.argmax"),
        ([[1, 1], [0, 1]], "a case has one class here; choose a column"),
        ([["a"], ["b"]], r"shape \(2, 1\).*give y.ravel\(\)"),
        ([1, 2, 3], r"shape \(3,\); one label for each of the 2 cases"),
        ([], r"shape \(0,\)"),
        ("ab", r"shape \(\)"),
        (["a", 1], r"several types \(int, str\)"),
        ([True, 2], r"several types \(bool, int\)"),
        ([1, 2.0], r"several types \(float, int\)"),
        ([b"a", b"b"], "holds bytes"),
        ([1j, 2j], "complex"),
        ([Decimal(1), Decimal(2)], "labels of type Decimal, which no saved model can keep"),
        ([Fraction(1), Fraction(2)], "labels of type Fraction"),
        ([datetime(2020, 1, 1, tzinfo=UTC)] * 2, "dates with a time zone"),
        (pd.Series(pd.to_datetime(["2020", "2021"], utc=True)), "no saved model can keep"),
        (np.array([(1,), (2,)], dtype=[("a", int)]), "no saved model can keep"),
    ],
)
def test_what_is_no_class_is_refused(y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        label_array(y, 2)
