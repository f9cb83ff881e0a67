"""What tests of heads share."""

from __future__ import annotations

from typing import Any

import pytest

from tsprompt.backbones import load_backbone


@pytest.fixture(scope="session")
def speaking(tiny_mlm: str) -> Any:
    """A tiny BERT that has its head for masked words, in float32 on the CPU."""
    return load_backbone(tiny_mlm, device="cpu", dtype="float32")


@pytest.fixture
def talking(tiny: dict[str, Any], tiny_mlm: str) -> dict[str, Any]:
    """Keyword arguments of a PromptClassifier whose model has its head for masked words."""
    return {**tiny, "backbone": tiny_mlm}
