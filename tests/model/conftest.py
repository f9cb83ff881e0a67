"""What tests of models share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_data import KINDS_OF_DATA, kind_of_data
from tiny_problems import FEW, QUICK

from tsprompt import PromptClassifier


@pytest.fixture(scope="session")
def choices(tiny: dict[str, Any]) -> dict[str, Any]:
    """Choices of a classifier that trains a soft prompt in a blink."""
    return {**tiny, **QUICK}


@pytest.fixture(scope="session")
def saved(choices: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model with a trained soft prompt for each kind of data."""
    folder = tmp_path_factory.mktemp("saved")
    fits = {}
    for kind in KINDS_OF_DATA:
        model = PromptClassifier("prompt-tuning", **choices, tuner=f"gradient:{FEW}")
        fits[kind] = model.fit(*kind_of_data(kind, 0)).save(folder / kind)
    return fits
