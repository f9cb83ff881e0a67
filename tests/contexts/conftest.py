"""What tests of contexts share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from tsprompt.errors import TspromptNotice


@pytest.fixture
def quiet() -> Iterator[None]:
    """That steps are patches, for lack of room, is said; that is tested apart."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        yield
