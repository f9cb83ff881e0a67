"""Labels that several models give together: soft ones, and cases chosen for those that come next
(Schick and Schuetze 2021, sections 3.3 and 3.4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tsprompt.heads.lesson import Labels

__all__ = ["Chances", "drawn", "joined", "others", "surest"]

Chances = npt.NDArray[np.float64]


def joined(
    said: list[Chances], weights: list[float], which: list[int], temperature: float
) -> Chances:
    """Softmax (U, C) of the weighted mean of some models' scores (U, C), over the temperature.

    Scores are log-probabilities, or what a softmax makes probabilities of: it comes to the same.
    """
    own = np.array([weights[k] for k in which])
    own = own if own.sum() > 0 else np.ones(len(which))
    scores = np.average([said[k] for k in which], axis=0, weights=own) / temperature
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def others(model: int, count: int, share: float, rng: np.random.Generator) -> list[int]:
    """A random share of `count` models without this one; one at the least."""
    rest = [k for k in range(count) if k != model]
    size = max(1, round(share * len(rest)))
    return sorted(int(one) for one in rng.choice(rest, size=size, replace=False))


def surest(chances: Chances, wanted: Labels) -> tuple[Labels, Labels]:
    """The surest cases of each class, as many as wanted (C,) or as there are, and their labels."""
    given = chances.argmax(axis=1)
    cases = [
        own[np.argsort(-chances[own, label], kind="stable")][:count]
        for label, count in enumerate(wanted)
        for own in [np.flatnonzero(given == label)]
    ]
    chosen = np.concatenate(cases)
    return chosen, given[chosen]


def drawn(chances: Chances, wanted: Labels, rng: np.random.Generator) -> tuple[Labels, Labels]:
    """Cases of each class, as many as wanted (C,) or as there are, and their labels: each is drawn
    with a probability in proportion to that of its class."""
    given = chances.argmax(axis=1)
    cases = [np.empty(0, dtype=np.intp)]
    for label, count in enumerate(wanted):
        own = np.flatnonzero(given == label)
        if count and len(own):
            sure = chances[own, label] / chances[own, label].sum()
            cases.append(rng.choice(own, size=min(int(count), len(own)), replace=False, p=sure))
    chosen = np.concatenate(cases)
    return chosen, given[chosen]
