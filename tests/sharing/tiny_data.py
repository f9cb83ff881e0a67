"""Tiny data: a small, well separated problem, and the same with other lengths and with gaps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest


class Separable(NamedTuple):
    """A small, well separated problem: train and test, X (n, T, F) with T = 20, F = 2."""

    X: Any
    y: np.ndarray
    X_test: Any
    y_test: np.ndarray


def waves(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes that differ in level, frequency and direction; labels are words."""
    rng = np.random.default_rng(seed)
    number = np.arange(count) % 3
    time = np.linspace(0, 1, 20)[None, :]
    phase = rng.uniform(0, 0.3, size=(count, 1))
    first = np.sin(2 * np.pi * ((number[:, None] + 1) * time + phase)) + 2.0 * (number[:, None] - 1)
    second = (number[:, None] - 1) * time * 2 + np.cos(2 * np.pi * phase)
    values = np.stack([first, second], axis=2) + 0.1 * rng.standard_normal((count, 20, 2))
    return values.astype(np.float32), np.array(["calm", "mild", "wild"])[number]


@pytest.fixture(scope="session")
def separable() -> Separable:
    """24 train and 15 test cases of three classes, 20 timesteps, 2 features."""
    return Separable(*waves(24, 0), *waves(15, 1))


@pytest.fixture(scope="session")
def ragged(separable: Separable) -> Separable:
    """The same problem, each case with a length of its own between 13 and 20, not in order."""

    def cut(X: np.ndarray) -> list[np.ndarray]:
        return [one[: 13 + (7 * i) % 8] for i, one in enumerate(X)]

    return separable._replace(X=cut(separable.X), X_test=cut(separable.X_test))


@pytest.fixture(scope="session")
def gappy(separable: Separable) -> Separable:
    """The same problem with missing values in train and test, one case without any value of f 0."""

    def punch(X: np.ndarray, seed: int) -> np.ndarray:
        holes = np.where(np.random.default_rng(seed).random(X.shape) < 0.05, np.nan, X)
        holes[1, :, 0] = np.nan
        return holes.astype(np.float32)

    return separable._replace(X=punch(separable.X, 2), X_test=punch(separable.X_test, 3))


def kind_of_data(kind: str, seed: int, count: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Two classes of waves, noise, or steps from one level to another."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    time = np.linspace(0, 1, 24)
    phase = rng.uniform(size=(count, 1))
    if kind == "waves":
        X = np.sin(2 * np.pi * ((1 + y[:, None]) * time + phase))
    elif kind == "noise":
        X = rng.standard_normal((count, 24)) * (1 + y[:, None])
    else:
        X = np.sign(np.arange(24) - rng.integers(4, 20, size=(count, 1)) + 0.5) * (
            1 - 2 * y[:, None]
        )
    return (X + 0.02 * rng.standard_normal(X.shape))[:, :, None].astype(np.float32), y


KINDS_OF_DATA = ("waves", "noise", "steps")
"""What `kind_of_data` knows."""
