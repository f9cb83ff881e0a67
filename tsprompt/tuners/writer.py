"""What writes prompts and learns by their rewards: a perceptron on a frozen language model."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsprompt.backbones import Backbone
from tsprompt.backbones.template import Template

__all__ = ["States", "Writer", "soft_q_loss"]

_SMALL = 1e-4
"""Gain of the weights at first: all words are about equally likely (as in the authors' code)."""


class States:
    """What the frozen model says next after the first words of a prompt; of each text once."""

    def __init__(self, backbone: Backbone, layer: int) -> None:
        self.backbone, self.layer = backbone, layer
        self._known: dict[tuple[int, ...], Tensor] = {}

    def after(self, texts: list[tuple[int, ...]]) -> Tensor:
        """(K, D), float32, of K texts of k words each: the state at the mask behind the words, or
        wherever this model answers."""
        new = list(dict.fromkeys(one for one in texts if one not in self._known))
        if new:
            self._known.update(zip(new, self._run(new), strict=True))
        return torch.stack([self._known[one] for one in texts])

    def _run(self, texts: list[tuple[int, ...]]) -> Tensor:
        backbone, count = self.backbone, len(texts[0])
        order = np.array([*range(count), -2])  # the words, and the mask behind them
        template = Template.from_order(order, width=1).framed(backbone.family.frame)
        ids = torch.tensor(texts, dtype=torch.long).reshape(len(texts), count)
        vectors = backbone.embed(ids.to(backbone.device))
        nothing = vectors.new_empty(len(texts), 0, 1, backbone.hidden_size)
        with torch.no_grad():
            frame = template.assemble(nothing, vectors, backbone)
            (states,) = backbone.run(frame, (self.layer,))
        where = backbone.answer(template)
        return states[:, where].mean(dim=1).to(torch.float32)


class Writer(nn.Module):
    """A policy over words (Deng et al. 2022): a perceptron changes the state of a
    frozen language model, and its word embeddings make scores of the changed state. A score is the
    value of a word, and the policy is the softmax of all.

    The perceptron learns; a second one, whose values are the target, follows it slowly.
    """

    vectors: Tensor

    def __init__(self, states: States, ids: Tensor, hidden: int, follows: float) -> None:
        """`ids` (V',) are the words that it may write; `follows`: how much of the way the target
        goes in a step."""
        super().__init__()
        backbone = states.backbone
        self.states, self.ids, self.follows = states, ids.cpu(), follows
        vectors = backbone.embed(ids.to(backbone.device)).to(torch.float32)
        # So that one step size does for models of any width.
        self.register_buffer("vectors", _unit(vectors, dim=0) / vectors.shape[1])
        self.perceptron = nn.Sequential(
            nn.Linear(backbone.state_size, hidden),
            nn.ReLU(),
            nn.Linear(hidden, backbone.hidden_size),
        )
        for layer in self.perceptron:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, gain=_SMALL)
                nn.init.zeros_(layer.bias)
        self.target = copy.deepcopy(self.perceptron).requires_grad_(False)
        self.to(backbone.device)

    def write(self, count: int, slots: int) -> Tensor:
        """Draw K prompts: (K, P) places in `ids`, one word after the other."""
        places = torch.zeros(count, 0, dtype=torch.long)
        for _ in range(slots):
            with torch.no_grad():
                chances = self._values(self.perceptron, places)[:, -1].softmax(dim=1)
            # Drawn where random numbers are the same whatever the device.
            places = torch.cat([places, torch.multinomial(chances.cpu(), 1)], dim=1)
        return places

    def values(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Values (K, P, V') of all words at each slot of prompts (K, P), and the target's."""
        before = places[:, :-1]
        with torch.no_grad():
            target = self._values(self.target, before)
        return self._values(self.perceptron, before), target

    def _values(self, perceptron: nn.Module, places: Tensor) -> Tensor:
        """(K, k + 1, V') at the slots of prompts whose first k words are (K, k)."""
        words = self.ids[places].tolist()
        states = [
            self.states.after([tuple(own[:number]) for own in words])
            for number in range(places.shape[1] + 1)
        ]
        changed: Tensor = perceptron(_unit(torch.stack(states, dim=1), dim=-1))
        return changed @ self.vectors.T

    def follow(self) -> None:
        """Let the target go a part of the way to what has been learned."""
        with torch.no_grad():
            pairs = zip(self.target.parameters(), self.perceptron.parameters(), strict=True)
            for old, new in pairs:
                old.lerp_(new, self.follows)


def _unit(values: Tensor, dim: int) -> Tensor:
    """The same with a mean of 0 and a standard deviation of 1 along an axis."""
    centred = values - values.mean(dim=dim, keepdim=True)
    return centred / values.std(dim=dim, correction=0, keepdim=True).clamp(min=1e-6)


def soft_q_loss(values: Tensor, target: Tensor, places: Tensor, rewards: Tensor) -> Tensor:
    """How far values of words are from consistent with the rewards of whole prompts.

    The path consistency of soft Q-learning (Guo et al. 2021; so in RLPrompt), the mean of one step
    and of all steps to the end: with V the value of a text and ``A_t = Q_t - V_t``,

        A_t = V'_{t+1} - V'_t,     sum of A from t on = r - V'_t,

    where the last text's V' is the reward r, and V' are the target's. V is the logarithm of the
    mean of exp Q over words: entropy is counted from that of a policy that prefers no word, which
    takes the same from all prompts and leaves the best policy as it is.

    Parameters
    ----------
    values, target
        (K, P, V') of all words.
    places
        (K, P) the words that were written.
    rewards
        (K,) of the prompts.
    """
    size = math.log(values.shape[-1])
    taken = values.gather(2, places[..., None]).squeeze(2)
    gained = taken - (values.logsumexp(dim=2) - size)
    worth = torch.cat([target.logsumexp(dim=2) - size, rewards[:, None]], dim=1)
    one_step = functional.mse_loss(gained, worth[:, 1:] - worth[:, :-1])
    to_the_end = gained.flip(1).cumsum(dim=1).flip(1)
    return (one_step + functional.mse_loss(to_the_end, rewards[:, None] - worth[:, :-1])) / 2
