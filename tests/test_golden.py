"""Predictions on a real set with the real BERT, against those that were committed.

They change when a tokenizer, a draw, a layer or a head changes what it computes. If that is meant,
write them anew, and say in the commit what moved::

    TSPROMPT_WRITE_GOLDEN=1 python -m pytest tests/test_golden.py

Another processor adds up in another order: probabilities may differ by `TOLERANCE`. Noise of 1e-5
on the input moves them by 0.003.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt import PromptClassifier
from tsprompt_datasets import load_dataset

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / "golden"
TOLERANCE = 0.02
CASES = 30

CHOICES: dict[str, dict[str, Any]] = {
    "default": {},
    "bins-mask-mlp": {"tokenizer": "bins", "readout": "mask", "head": "mlp:epochs=40"},
}


def predict(choices: dict[str, Any]) -> dict[str, Any]:
    data = load_dataset("ItalyPowerDemand")
    train, test = (part.cases.take(np.arange(CASES)) for part in (data.train, data.test))
    fitted = PromptClassifier(
        **choices, n_prompts=2, backbone="minilm", device="cpu", dtype="float32", random_state=0
    ).fit(train, data.train.labels[:CASES])
    right = fitted.predict(test) == data.test.labels[:CASES]
    return {
        "labels": fitted.predict(test).tolist(),
        "probabilities": fitted.predict_proba(test)[:, 1].round(4).tolist(),
        "accuracy": round(float(right.mean()), 4),
    }


@pytest.mark.parametrize("name", CHOICES)
def test_predictions_are_those_that_were_committed(name: str) -> None:
    file = FOLDER / f"{name}.json"
    found = predict(CHOICES[name])
    if os.environ.get("TSPROMPT_WRITE_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(file.read_text(encoding="utf-8"))
    chances = np.array(golden["probabilities"])
    np.testing.assert_allclose(found["probabilities"], chances, atol=TOLERANCE)
    sure = np.abs(chances - 0.5) > TOLERANCE
    assert sure.mean() > 0.9
    assert np.array(found["labels"])[sure].tolist() == np.array(golden["labels"])[sure].tolist()


def test_the_default_recipe_is_worth_its_name() -> None:
    """Against chance at 0.5: the committed figures themselves are those of a working model."""
    golden = json.loads((FOLDER / "default.json").read_text(encoding="utf-8"))
    assert golden["accuracy"] > 0.9
