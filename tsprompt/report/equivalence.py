"""Is one method better than another in practice, or are both level? A Bayesian signed-rank test.

What is asked is not whether a difference is more than chance but how probable it is that it
matters: differences within a region of practical equivalence count as level (Benavoli, Corani,
Demšar and Zaffalon 2017). The posterior is that of a Dirichlet process over the differences on
sets, with one made-up set of strength 0.5 on which both are equal (Benavoli et al. 2014). The
package baycomp has the same test; it has not changed since 2023, it goes through the draws of each
pair in a loop, and it imports pickle, which nothing here does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["OUTCOMES", "ROPE", "practical_chances"]

ROPE = 0.01
"""Differences in accuracy up to this are level, unless another region is asked for."""
OUTCOMES = ("p_better", "p_level", "p_worse")
"""Columns of reports: that the reference is better than a method, level with it, or worse."""
_PRIOR = 0.5
"""Strength of the made-up set; those that were measured have 1 each."""
_DRAWS = 50_000
_AT_ONCE = 5_000
"""Draws that are weighed together: memory is this by the number of sets."""


def practical_chances(
    differences: npt.NDArray[np.float64], rope: float = ROPE, seed: int = 0
) -> tuple[float, float, float]:
    """Chances that a is better than b by more than `rope`, that they are level, and that b is.

    Each draw weighs the sets anew; the mean of two sets drawn with these weights is better, level
    or worse with some chance, and the likeliest of the three wins the draw. The chances are the
    shares of draws won, ties being shared. The draws are the same for the same seed.

    Parameters
    ----------
    differences
        (N,) accuracy of a minus that of b on each set.
    rope
        Half the width of the region of practical equivalence.

    Returns
    -------
    tuple
        better, level, worse; their sum is 1.
    """
    values = np.concatenate([[0.0], differences])
    strength = np.concatenate([[_PRIOR], np.ones(len(differences))])
    sums = values[:, None] + values
    above, below = _beyond(sums, 2 * rope), _beyond(-sums, 2 * rope)
    rng = np.random.default_rng(seed)
    won = np.zeros(3)
    for _ in range(_DRAWS // _AT_ONCE):
        weights = rng.dirichlet(strength, _AT_ONCE)
        better = ((weights @ above) * weights).sum(axis=1)
        worse = ((weights @ below) * weights).sum(axis=1)
        chances = np.column_stack([better, 1 - better - worse, worse])
        first = np.isclose(chances, chances.max(axis=1, keepdims=True), rtol=0, atol=1e-9)
        won += (first / first.sum(axis=1, keepdims=True)).sum(axis=0)
    better, level, worse = (won / won.sum()).tolist()
    return better, level, worse


def _beyond(sums: npt.NDArray[np.float64], edge: float) -> npt.NDArray[np.float64]:
    """1 beyond the edge, and half of that upon it, as far as accuracies can be told apart."""
    upon = np.isclose(sums, edge, rtol=0, atol=1e-9)
    return np.where(upon, 0.5, sums > edge)
