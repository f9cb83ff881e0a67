"""Labelled cases beside a query: readers, readings, and what is shown and read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor

from tsprompt.backbones import Backbone, BatchSize
from tsprompt.contexts import Train, contexts
from tsprompt.data import Cases
from tsprompt.prompts import prompts
from tsprompt.reading.reader import Reader, Reading
from tsprompt.readouts import readouts
from tsprompt.strategies import strategies
from tsprompt.tokenizers import tokenizers

LAYERS = (2,)
CLASSES = ["calm", "mild", "wild"]


def problem(count: int = 24, seed: int = 0, timesteps: int = 12) -> tuple[Cases, np.ndarray]:
    """Three classes of noisy waves, each with a phase of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    time = np.linspace(0, 1, timesteps)
    values = np.sin(2 * np.pi * ((labels[:, None] + 1) * time + rng.random((count, 1))))
    values += 0.1 * rng.standard_normal(values.shape)
    return Cases(values[:, :, None].astype(np.float32)), labels


def make(
    backbone: Backbone,
    train: tuple[Cases, np.ndarray],
    context: str = "demonstrations",
    *,
    tokenizer: str = "kernels",
    strategy: str = "shared",
    prompt: str = "hard:length=3",
    member: int = 0,
) -> tuple[Reader, Reading]:
    """A reader, and a reading with a fitted context that is ready."""
    cases, labels = train
    plan, model = strategies.build(strategy), prompts.build(prompt)
    length = model.length or 0
    reader = Reader(backbone, plan, length, "series", BatchSize(4096))
    chosen = contexts.build(context)
    chosen.fit(backbone, Train(CLASSES, cases, labels, seed=0))
    fitted = tokenizers.build(tokenizer)
    room = reader.room(fitted.width(cases.n_features), chosen)
    fitted.fit(cases, backbone, max_steps=room, rng=np.random.default_rng(0))
    own = chosen.drawn(cases, labels, np.random.default_rng(10 + member))
    filled = plan.slots(length, fitted.max_steps_)
    drawn = model.draw(filled, backbone, np.random.default_rng(1))
    reading = Reading(fitted, drawn, readouts.build("mask"), LAYERS, context=own)
    reader.introduce(reading)
    return reader, reading


def tokens_of(reader: Reader, reading: Reading, cases: Cases) -> Tensor:
    ((_, tokens),) = reader.tokenise(reading.tokenizer, cases)
    return tokens


def chosen(
    reader: Reader, reading: Reading, cases: Cases, own: np.ndarray | None = None
) -> np.ndarray:
    """(B, K) positions in train of what is shown beside each case."""
    context: Any = reading.context
    tokens = tokens_of(reader, reading, cases)
    return context.index_.numpy()[context.choose(tokens, own, reader.backbone)]


class Spy:
    """Keeps what a backbone is given."""

    def __init__(self, backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[Tensor] = []
        original = backbone.run

        def run(embeddings: Tensor, *more: Any, **how: Any) -> list[Tensor]:
            self.rows += list(embeddings.detach())
            return original(embeddings, *more, **how)

        monkeypatch.setattr(backbone, "run", run)
