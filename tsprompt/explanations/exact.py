"""Exact shares: where scores are linear in features, and these are sums over the data tokens.

What is divided are the states of the language model, not the values: a token's state also tells of
its neighbours, by the kernels that made it and by the layers below it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt.data import Cases
from tsprompt.explanations.grid import Grid
from tsprompt.heads import Linear
from tsprompt.model.fitted import Fitted
from tsprompt.reading.reader import Reading
from tsprompt.readouts import Readout

__all__ = ["divides", "token_shares"]


def divides(fitted: Fitted) -> str | None:
    """None where the model's scores divide into tokens; else why they don't, in words."""
    parts = fitted.design
    if parts.combination.linear() is None:
        return (
            f"the probabilities of the combination {parts.combination.name!r} with the head "
            f"{parts.head.name!r} are not linear in the features"
        )
    if not parts.readout.divides(parts.scope):
        return f"the features of the readout {parts.readout.name!r} are no sums over the tokens"
    if not parts.strategy.keeps_channels:
        return f"the strategy {parts.strategy.name!r} leaves no order of time"
    if any(one.tokenizer.makes != "words" for one in fitted.readings):
        return "the tokens are patches of a picture, not of time"
    if any(one.context.rows_each > 1 for one in fitted.readings):
        return f"the context {parts.context.name!r} has each case read several times"
    return None


class _Shares(Readout):
    """Takes a readout's place in a reading, and gives shares of tokens (b, K * C) for features."""

    def __init__(self, readout: Readout, mean: Tensor, weights: Tensor, tokens: int) -> None:
        super().__init__(readout.layers)
        self.readout, self.mean, self.weights, self.tokens = readout, mean, weights, tokens

    def pool(self, data: Tensor, mask: Tensor) -> Tensor:
        """Shorter series are filled up to the most tokens of any, so that all stand in one."""
        own = self.mean.to(data.device), self.weights.to(data.device)
        shares = self.readout.divide(data, mask, *own)
        return functional.pad(shares, (0, 0, 0, self.tokens - shares.shape[1])).flatten(1)


def token_shares(fitted: Fitted, cases: Cases) -> Iterator[tuple[Grid, npt.NDArray[np.float64]]]:
    """For each case its steps, and the shares (J, G, C) of them in the scores of all classes.

    They are relative to train's mean features, and add up to the scores less those of that mean.
    """
    linear = fitted.design.combination.linear()
    assert linear is not None, "the model has been asked whether it divides"
    prepared = fitted._prepared(fitted.expected.aligned(cases))
    read = [
        _of_reading(fitted, reading, prepared, _block(linear, number, len(fitted.readings)))
        for number, reading in enumerate(fitted.readings)
    ]
    fitted.reader.forget()
    tokenizer = fitted.readings[0].tokenizer
    total = torch.stack(read).sum(dim=0).numpy()
    features = cases.n_features
    for number, seen in enumerate(prepared.lengths.tolist()):
        grid = Grid.steps(tokenizer.patch_length(seen), seen, int(cases.lengths[number]), features)
        steps = total[number, : len(grid.stretches)]  # (S, W, C)
        if tokenizer.by_channel and fitted.design.scope == "series":
            own = steps.reshape(len(steps), features, -1, steps.shape[-1]).sum(axis=2)
            names = cases.features or tuple(str(one + 1) for one in range(features))
            single = tuple((one,) for one in range(features))
            yield dataclasses.replace(grid, groups=single, names=names), own
        else:
            yield grid, steps.sum(axis=1, keepdims=True)


def _of_reading(fitted: Fitted, reading: Reading, cases: Cases, linear: Linear) -> Tensor:
    """(B, S, W, C), float64."""
    by_step = fitted.design.scope == "step"
    width = 1 if by_step else reading.tokenizer.width(cases.n_features)
    steps = max(reading.tokenizer.steps_of(int(one)) for one in np.unique(cases.lengths))
    weights = linear.weights / linear.unit[:, None]
    shares = _Shares(reading.readout, linear.mean, weights, steps * width)
    read = fitted.reader.features(dataclasses.replace(reading, readout=shares), cases)
    return read.cpu().to(torch.float64).unflatten(1, (steps, width, -1))


def _block(linear: Linear, number: int, count: int) -> Linear:
    """The part of the map that reads one of `count` readings."""
    size = len(linear.mean) // count
    own = slice(number * size, (number + 1) * size)
    return Linear(linear.mean[own], linear.unit[own], linear.weights[own], linear.bias)
