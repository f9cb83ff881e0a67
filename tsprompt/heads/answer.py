"""From scores of words to scores of classes, and how that is fitted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.base.blocks import blocks, collected
from tsprompt.heads.weighing import cross_entropy, mean_of, spread_of

__all__ = ["Answer", "fit_answer", "members", "minimise"]

_STEPS = 200
"""The most steps of a solver."""


@dataclass
class Answer:
    """How scores of M words become scores of C classes."""

    ids: list[list[int]]
    """The words of each class."""
    prior: Tensor
    """(M,) what is taken off the score of each word."""
    weights: Tensor
    """(M,) share of each word in its class."""
    scale: Tensor
    """(C,) inverse temperatures."""
    bias: Tensor
    """(C,)."""
    of_chances: bool = False
    """Whether the chances of a class's words are averaged, and not the scores."""

    @property
    def flat(self) -> Tensor:
        """(M,) all words."""
        return torch.tensor([one for own in self.ids for one in own])

    def sums(self) -> Tensor:
        """(M, C): adds up the words of each class."""
        return self.weights[:, None] * members(self.ids).to(self.weights)

    def classes(self, scores: Tensor) -> Tensor:
        """Scores (b, C) of classes from scores (b, M) of words.

        What is added to the scores of all words of a case alike is added to those of all classes.
        """
        own, sums = scores.to(self.prior.dtype) - self.prior, self.sums()
        if self.of_chances:
            top = own.amax(dim=1, keepdim=True)
            return self.scale * (top + ((own - top).exp() @ sums).log()) + self.bias
        return self.scale * (own @ sums) + self.bias

    def to(self, device: torch.device, dtype: torch.dtype) -> Answer:
        """The same elsewhere."""
        moved = {
            name: getattr(self, name).to(device, dtype)
            for name in ("prior", "weights", "scale", "bias")
        }
        return dataclasses.replace(self, **moved)


def members(ids: Sequence[Sequence[int]]) -> Tensor:
    """(M, C): 1 where a word stands for a class."""
    own = torch.tensor([number for number, words in enumerate(ids) for _ in words])
    return functional.one_hot(own, len(ids)).to(torch.float64)


def fit_answer(
    answer: Answer, words: Tensor, labels: Tensor, counted: Tensor | None, *, weighs: bool
) -> Answer:
    """Fit temperatures, biases, and perhaps shares of words, to scores (B, M) of words, each case
    as often as it is `counted` (B,)."""
    inside = members(answer.ids)
    raw = collected(words, answer.classes)
    spread = spread_of(raw, counted)
    centre = mean_of(words, counted)
    n_words, n_classes = inside.shape
    start = torch.zeros(2 * n_classes + weighs * n_words, dtype=torch.float64)

    def parts(theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scale, bias = theta[:n_classes].exp() / spread, theta[n_classes : 2 * n_classes]
        if not weighs:
            return scale, bias, answer.weights
        powers = answer.weights * theta[2 * n_classes :].exp()
        return scale, bias, powers / (inside @ (powers @ inside))

    def loss(theta: Tensor) -> Iterator[Tensor]:
        yield 0.5 * theta.square().sum()
        for rows, some in blocks(words):
            scale, bias, weights = parts(theta)
            scores = scale * ((some - centre) @ (weights[:, None] * inside)) + bias
            own = None if counted is None else counted[rows]
            yield cross_entropy(scores, labels[rows], own, total=True)

    scale, bias, weights = parts(minimise(loss, start))
    sums = weights[:, None] * inside
    # The words were centred for the fit: what that took off goes into the bias.
    bias = bias - scale * ((centre - answer.prior) @ sums)
    return Answer(answer.ids, answer.prior, weights, scale, bias)


def minimise(loss: Callable[[Tensor], Iterable[Tensor]], start: Tensor) -> Tensor:
    """Where a smooth function of a vector is least, by L-BFGS (Liu and Nocedal 1989). The function
    is a sum, whose terms come one by one: what each has read can go before the next."""
    theta = start.clone().requires_grad_(True)
    solver = torch.optim.LBFGS(
        [theta], max_iter=_STEPS, tolerance_grad=1e-7, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        solver.zero_grad()
        value = torch.zeros((), dtype=theta.dtype)
        for term in loss(theta):
            term.backward()
            value += term.detach()
        return value

    with torch.enable_grad():
        solver.step(closure)
    return theta.detach()
