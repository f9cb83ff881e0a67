"""What the tests of advice share."""

from __future__ import annotations

from typing import Any

import pytest

from tsprompt.data import Cases, Dataset, Split


@pytest.fixture(scope="session")
def waves_set(separable: Any) -> Dataset:
    """24 train and 15 test cases of three classes, 8 train cases of each."""
    train = Split(Cases(separable.X), separable.y)
    test = Split(Cases(separable.X_test), separable.y_test)
    return Dataset("Waves", train, test, "data-dir", {"Waves_TRAIN.ts": "abc"})
