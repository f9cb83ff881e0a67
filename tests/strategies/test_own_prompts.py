"""`per-step` where each step is an input: a prompt, a slice and a mask of its own for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones.template import Prompt
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.model.layout import slots
from tsprompt.strategies.per_step import PerStep


@pytest.fixture(scope="module")
def fitted(tiny: dict[str, Any], separable: Any) -> PromptClassifier:
    model = PromptClassifier(
        "original",
        **tiny,
        strategy="per-step",
        tokenizer="bins:words=index",
        tuner="search:draws=2",
        head="mlp:epochs=2",
    )
    return model.fit(separable.X, separable.y)


def test_slice_and_mask_are_where_the_prompt_says() -> None:
    """Three slots, the mask behind the second of them, the data behind the first."""
    template = PerStep().template(1, 2, 3, Prompt(None, before=(1,), mask=(2,)))
    # [CLS] p1 x x p2 [MASK] p3 [SEP]
    assert template.prompt.tolist() == [1, 4, 6]
    assert template.data.tolist() == [[2, 3]]
    assert template.mask == 5


def test_without_places_of_their_own_prompts_stand_before_their_steps() -> None:
    """As models have it that were saved before there were such places."""
    template = PerStep().template(1, 2, 3, Prompt(None, before=1, mask=2))
    assert template.prompt.tolist() == [1, 2, 3]
    assert (template.data.tolist(), template.mask) == ([[4, 5]], 6)


def test_every_timestep_draws_a_prompt_a_slice_and_a_mask(fitted: PromptClassifier) -> None:
    prompt = fitted.readings_[0].prompt
    assert prompt.ids is not None
    own = prompt.ids.reshape(20, 16)
    assert len(own.unique(dim=0)) == 20
    for places, most in ((prompt.before, 17), (prompt.mask, 16)):
        assert isinstance(places, tuple)
        assert len(places) == 20
        assert len(set(places)) > 5
        assert 0 <= min(places) <= max(places) <= most


def test_the_model_reads_each_step_as_it_would_be_written_by_hand(
    fitted: PromptClassifier, separable: Any
) -> None:
    reader, reading = fitted.reader_, fitted.readings_[0]
    cases = fitted.parts_.preprocessing.transform(Cases(separable.X_test[:4]))
    said = reader.features(reading, cases).reshape(4, 20, 32)
    backbone, prompt = reader.backbone, reading.prompt
    assert prompt.ids is not None
    assert isinstance(prompt.before, tuple)
    assert isinstance(prompt.mask, tuple)
    words = backbone.words
    tokens = torch.cat([one for _, one in reader.tokenise(reading.tokenizer, cases)])
    for case in range(4):
        for step in range(20):
            row = prompt.ids[16 * step : 16 * (step + 1)].tolist()
            row.insert(prompt.mask[step], "mask")
            row[prompt.before[step] : prompt.before[step]] = tokens[case, step].tolist()
            at = row.index("mask") + 1
            row[at - 1] = words.mask
            written = torch.tensor([[words.cls, *row, words.sep]])
            (states,) = backbone.run(backbone.embed(written), (2,))
            torch.testing.assert_close(said[case, step], states[0, at], atol=1e-5, rtol=1e-4)


def test_training_reads_the_same(fitted: PromptClassifier, separable: Any) -> None:
    reader, reading = fitted.reader_, fitted.readings_[0]
    cases = fitted.parts_.preprocessing.transform(Cases(separable.X_test[:4]))
    tokens = torch.cat([one for _, one in reader.tokenise(reading.tokenizer, cases)])
    said = reading.readout.pool(*reader.hidden(tokens, reading.prompt, reading.layers))
    torch.testing.assert_close(said, reader.features(reading, cases), atol=1e-5, rtol=1e-4)


def test_it_is_saved_and_shown(fitted: PromptClassifier, separable: Any, tmp_path: Path) -> None:
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert loaded.readings_[0].prompt.equals(fitted.readings_[0].prompt)
    test = separable.X_test
    np.testing.assert_array_equal(loaded.predict_proba(test), fitted.predict_proba(test))
    prompt = loaded.readings_[0].prompt
    shown = [one.kind for one in slots(loaded.fitted_, loaded.readings_[0])]
    assert isinstance(prompt.before, tuple)
    assert isinstance(prompt.mask, tuple)
    row = ["prompt"] * 16
    row.insert(prompt.mask[0], "mask")
    row.insert(prompt.before[0], "data")  # of two tokens, shown as one
    assert shown == ["cls", *row, "sep"]


@pytest.mark.parametrize("prompt", ["gru:hidden=4,placement=random", "soft:placement=random"])
def test_trained_prompts_have_places_of_their_own(
    prompt: str, tiny: dict[str, Any], separable: Any
) -> None:
    model = PromptClassifier(
        **tiny,
        strategy="per-step",
        scope="step",
        tokenizer="bins",
        prompt=prompt,
        readout="mask",
        tuner="none",
        train="tuning-free",
    ).fit(separable.X, separable.y)
    found = model.readings_[0].prompt
    assert isinstance(found.before, tuple)
    assert len(found.before) == 20


def test_one_input_has_no_mask_for_each_step(tiny: dict[str, Any], separable: Any) -> None:
    choices = {"strategy": "per-step", "prompt": "hard:placement=random", "scope": "series"}
    with pytest.raises(ConfigError, match='use scope="step"'):
        PromptClassifier(**tiny, **choices).fit(separable.X, separable.y)
