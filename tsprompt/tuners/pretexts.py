"""Questions about series that need no labels, one for each of PPT's formats of tasks.

What PPT asks of sentences (Gu et al. 2022, section 3.2) is asked of stretches of a series. Texts of
several sentences are series here, and a sentence is a half or a quarter of one.

- ``pair``, of two sentences: does the second half follow the first? It does (the halves as they
  are), it is of the same series and does not (the halves exchanged), or it is of another series.
- ``choice``, of several candidates: behind the first quarter stand three others in random order,
  the one that follows it, one of the same series that does not, and one of another. Which follows?
- ``single``, of one sentence: the paper lets a model that was trained elsewhere give texts a rating
  of five stars. Series get one of five levels of roughness, the fifths of all series by the mean
  size of their changes relative to their spread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tsprompt.data import Cases, FloatArray

__all__ = ["FORMATS", "LEAST_LENGTH", "Pretext", "Question", "level_edges", "roughness"]

LEAST_LENGTH = 8
"""Timesteps of a series that can be cut in quarters."""
_LEVELS = 5


@dataclass(frozen=True)
class Pretext:
    """A question with as many answers, and what is asked of it."""

    answers: int
    ask: Callable[[FloatArray, FloatArray, np.random.Generator, FloatArray], list[Question]]
    """Of a series (T, F) and another, with the edges of levels (4,)."""


Question = tuple[FloatArray, int]
"""A series, and the number of the right answer."""


def _pair(
    own: FloatArray, other: FloatArray, _: np.random.Generator, __: FloatArray
) -> list[Question]:
    half = len(own) // 2
    first, second = own[:half], own[half:]
    return [
        (np.concatenate([first, other[len(other) // 2 :]]), 0),
        (np.concatenate([second, first]), 1),
        (own, 2),
    ]


def _choice(
    own: FloatArray, other: FloatArray, rng: np.random.Generator, _: FloatArray
) -> list[Question]:
    first, follows, far, farther = np.array_split(own, 4)
    same = (far, farther)[int(rng.integers(2))]
    foreign = np.array_split(other, 4)[int(rng.integers(4))]
    candidates = [follows, same, foreign]
    order = rng.permutation(len(candidates))
    asked = np.concatenate([first, *(candidates[place] for place in order)])
    return [(asked, int(np.flatnonzero(order == 0)[0]))]


def _single(
    own: FloatArray, _: FloatArray, __: np.random.Generator, edges: FloatArray
) -> list[Question]:
    return [(own, int(np.searchsorted(edges, roughness(own), side="right")))]


FORMATS = {
    "pair": Pretext(3, _pair),
    "choice": Pretext(3, _choice),
    "single": Pretext(_LEVELS, _single),
}
"""The formats of tasks, by name."""


def roughness(series: FloatArray) -> float:
    """The mean size of changes of a series (T, F) relative to its standard deviation, mean over
    features; of one that does not vary, 0."""
    spread = series.std(axis=0)
    changes = np.abs(np.diff(series, axis=0)).mean(axis=0)
    return float(np.where(spread > 0, changes / np.where(spread > 0, spread, 1), 0).mean())


def level_edges(sets: list[Cases]) -> FloatArray:
    """(4,) between the fifths of all series of these sets by their roughness."""
    rough = np.array([roughness(one) for cases in sets for one in cases])
    return np.quantile(rough, np.arange(1, _LEVELS) / _LEVELS)
