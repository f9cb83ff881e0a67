"""Classifiers of tiny data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tsprompt import PromptClassifier


def fit(tiny: dict[str, Any], data: Any, **changes: Any) -> PromptClassifier:
    from tsprompt import PromptClassifier

    return PromptClassifier(**{**tiny, **changes}).fit(data.X, data.y)


@pytest.fixture(scope="session")
def fitted(tiny: dict[str, Any], separable: Any) -> PromptClassifier:
    """A classifier of `separable`, which no test may change."""
    return fit(tiny, separable)
