"""Classifiers with labelled cases beside the query: saved, and without any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone
from tsprompt.contexts import NO_CONTEXT, Context


@pytest.mark.usefixtures("quiet")
def test_ragged_cases_are_saved_with_what_they_show(
    tiny: dict[str, Any], ragged: Any, tmp_path: Path
) -> None:
    fitted = PromptClassifier(**tiny, recipe="demonstrations").fit(ragged.X, ragged.y)
    chances = fitted.predict_proba(ragged.X_test)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(ragged.X_test), chances)
    assert fitted.score(ragged.X, ragged.y) == fitted.scores_["train_accuracy"]


def test_without_a_context_nothing_is_beside(backbone: Backbone) -> None:
    assert isinstance(NO_CONTEXT, Context)
    assert NO_CONTEXT.choose(torch.zeros(3, 2, 1, 4), None, backbone).shape == (3, 0)
    assert NO_CONTEXT.word_ids is None
