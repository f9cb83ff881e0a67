"""How a prompt is rewarded by the probabilities of classes that it makes a model give."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gap_rewards", "standardised"]

_LEAST_SPREAD = 1e-4
"""Added to a standard deviation, so that prompts that are all alike have no reward."""


def gap_rewards(chances: Tensor, labels: Tensor, wrong: float, right: float) -> Tensor:
    """The piecewise reward of RLPrompt (Deng et al. 2022), for each input.

    ``wrong ** (1 - correct) * right ** correct * gap``, where the gap is the probability of the
    right class less that of the best other, ``P(c) - max P(c')``, and it is correct where the gap
    is positive.

    Parameters
    ----------
    chances
        (..., b, C) probabilities of the classes.
    labels
        (b,) the right ones.

    Returns
    -------
    (..., b).
    """
    own = torch.nn.functional.one_hot(labels, chances.shape[-1]).bool()
    others = chances.masked_fill(own, -torch.inf).amax(dim=-1)
    gap = chances.masked_fill(~own, 0.0).sum(dim=-1) - others
    return torch.where(gap > 0, right, wrong) * gap


def standardised(rewards: Tensor) -> Tensor:
    """z-scores (K, b) of rewards (K, b) over the K prompts that were tried on each input, so that
    easy inputs and hard ones count alike (Deng et al. 2022)."""
    centred = rewards - rewards.mean(dim=0)
    return centred / (rewards.std(dim=0, correction=0) + _LEAST_SPREAD)
