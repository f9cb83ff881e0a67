"""The last layer works out what somebody looks at, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt import PromptClassifier, Socket
from tsprompt.backbones import Backbone

SERIES = np.random.default_rng(0).standard_normal((12, 20, 1)).astype(np.float32)
LABELS = np.arange(12) % 2


def model(tiny_bert: str, readout: str, **choices: Any) -> PromptClassifier:
    return PromptClassifier(
        backbone=tiny_bert,
        readout=readout,
        tokenizer="kernels:steps=10",
        device="cpu",
        dtype="float32",
        **{"random_state": 0, **choices},
    ).fit(SERIES, LABELS)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many positions of each row were asked about, batch by batch."""
    counts: list[int] = []
    run = Backbone.run

    def noted(self: Backbone, *given: Any, at: Tensor | None = None, **how: Any) -> list[Tensor]:
        counts.append(-1 if at is None else at.shape[1])
        return run(self, *given, at=at, **how)

    monkeypatch.setattr(Backbone, "run", noted)
    return counts


@pytest.mark.parametrize(
    ("readout", "positions"),
    [
        ("mask", 1),
        ("pooled", 10),
        ("pooled:pools=mask+mean", 11),
        ("pooled:pools=mask,maybe=none", 1),
    ],
)
def test_only_what_is_looked_at_is_worked_out(
    tiny_bert: str,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
    readout: str,
    positions: int,
) -> None:
    fitted = model(tiny_bert, readout, n_prompts=1)
    assert set(asked) == {positions}
    asked.clear()
    found = fitted.predict_proba(SERIES)
    assert asked == [positions]
    monkeypatch.setattr(Backbone, "skips", False)
    whole = fitted.predict_proba(SERIES)
    assert asked == [positions, -1]
    np.testing.assert_allclose(found, whole, atol=1e-6)


def test_steps_that_are_read_alone_are_looked_at_where_the_mask_is(
    tiny_bert: str, asked: list[int]
) -> None:
    fitted = model(tiny_bert, "pooled", n_prompts=1, scope="step")
    asked.clear()
    assert np.isfinite(fitted.predict_proba(SERIES)).all()
    assert set(asked) == {1}


@pytest.mark.parametrize(("seed", "positions"), [(0, 11), (1, 10)])
def test_models_that_look_elsewhere_share_a_batch(
    tiny_bert: str, asked: list[int], tmp_path: Any, seed: int, positions: int
) -> None:
    """With one seed their rows are the same input, which is read once for both; with another, rows
    that are looked at in one place are read beside those that are looked at in ten."""
    socket = Socket(device="cpu")
    apart = {}
    for name, readout, own in (("mask", "mask:layers=1", 0), ("all", "pooled:first=1", seed)):
        fitted = model(tiny_bert, readout, n_prompts=2, random_state=own)
        apart[name] = fitted.predict_proba(SERIES)
        socket.add(fitted.save(tmp_path / name), name=name)
    asked.clear()
    together = socket.predict_proba(dict.fromkeys(apart, SERIES))
    assert asked == [positions]
    for name, expected in apart.items():
        np.testing.assert_allclose(together[name], expected, atol=1e-6)


def test_a_readout_that_looks_at_no_data_learns_from_none(tiny_bert: str) -> None:
    fitted = model(tiny_bert, "pooled:pools=mask,maybe=none", n_prompts=1)
    features = fitted.transform(SERIES)
    assert features.shape == (12, fitted.reader_.backbone.hidden_size)
    assert float(torch.from_numpy(features).std(dim=0).max()) > 0
