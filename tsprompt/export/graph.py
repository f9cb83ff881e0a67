"""A fitted model as one graph of tensors: values in, class probabilities out.

What fits a graph is decided here: it has one number of timesteps, no gaps to fill, and no loop over
cases. Tokenizers and readouts are those of the model; whether an engine knows their operations is
seen when the graph is written.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tsprompt.combinations import Combination
from tsprompt.errors import ConfigError, Piece, Setting
from tsprompt.model.fitted import Fitted
from tsprompt.preprocessings.standard import Standard
from tsprompt.reading.reader import Reading
from tsprompt.strategies import Strategy

__all__ = ["Graph", "check", "timesteps_of"]


def timesteps_of(fitted: Fitted, asked: int | None) -> int:
    """T of the graph: what is asked for, or the one length of train.

    Raises
    ------
    ConfigError
        Train had several lengths and none is asked for, or it is none.
    """
    if asked is not None:
        if asked < 1:
            raise ConfigError(Setting("timesteps"), " must be 1 or more")
        return asked
    expected = fitted.expected
    if expected.longest is None or expected.shortest != expected.longest:
        raise ConfigError(
            "train had series of several lengths, and a graph takes one: say which by ",
            Setting("timesteps"),
        )
    return expected.longest


def check(fitted: Fitted) -> None:
    """See that a model can be one graph.

    Raises
    ------
    ConfigError
        It can't; the text says for what part.
    """
    parts = fitted.design
    standard = isinstance(parts.preprocessing, Standard)
    backbone = fitted.reader.backbone
    if backbone.dtype is not torch.float32 or backbone.device.type != "cpu":
        raise ConfigError(
            "a graph is written of float32 on the processor, and the model runs in "
            f"{backbone.dtype_name} on {backbone.device.type}: load it with ",
            Setting("device", "cpu"),
            " and ",
            Setting("dtype", "float32"),
        )
    refused: list[tuple[bool, str, str]] = [
        (parts.scope != "series", "scope", "each step is read alone, and equal ones once"),
        (parts.context.name != "none", "context", "it chooses cases to stand beside each other"),
        (_prepares(parts.strategy), "strategy", "it prepares series by a network of its own"),
        (not standard, "preprocessing", "it is not the standard one"),
        (standard and parts.preprocessing.length is not None, "preprocessing", "it resamples"),
        (_by_case(parts.preprocessing), "preprocessing", "it standardises each case by itself"),
        (_shares_out(parts.combination), "combination", "each prompt sees the cases another way"),
        (parts.combination.linear() is None, "head", "it is not linear in its features"),
    ]
    for wrong, setting, why in refused:
        if wrong:
            part = getattr(parts, setting)
            name = part if isinstance(part, str) else part.name
            text: list[Piece] = [Setting(setting, name), f" has no form as a graph: {why}"]
            raise ConfigError(*text)


def _prepares(strategy: Strategy) -> bool:
    return type(strategy).transform is not Strategy.transform


def _by_case(preprocessing: object) -> bool:
    return isinstance(preprocessing, Standard) and preprocessing.standardise == "series"


def _shares_out(combination: Combination) -> bool:
    return combination.name != "concatenate"


class Graph(nn.Module):
    """Values (B, T, F) as they come, without gaps -> probabilities (B, C), for one T."""

    centre: Tensor
    spread: Tensor
    head_weights: Tensor
    head_bias: Tensor

    def __init__(self, fitted: Fitted, timesteps: int) -> None:
        super().__init__()
        check(fitted)
        self.timesteps = timesteps
        self.readings = nn.ModuleList(_Read(fitted, one, timesteps) for one in fitted.readings)
        for name, values in _scales(fitted).items():
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float64))
        linear = fitted.design.combination.linear()
        assert linear is not None  # `check` has seen to it
        weights = linear.weights.double() / linear.unit.double()[:, None]
        self.register_buffer("head_weights", weights.float())
        self.register_buffer("head_bias", linear.bias.double() - linear.mean.double() @ weights)

    def forward(self, values: Tensor) -> Tensor:
        """Probabilities (B, C), float32, of values (B, T, F)."""
        prepared = ((values.double() - self.centre) / self.spread).float()
        features = torch.cat([read(prepared) for read in self.readings], dim=1)
        scores = (features @ self.head_weights).double() + self.head_bias
        return scores.softmax(dim=1).float()


def _scales(fitted: Fitted) -> dict[str, np.ndarray]:
    standard = fitted.design.preprocessing
    assert isinstance(standard, Standard)
    if standard.standardise == "none":
        return {"centre": np.zeros(fitted.n_features), "spread": np.ones(fitted.n_features)}
    return {"centre": np.asarray(standard.mean_), "spread": np.asarray(standard.scale_)}


class _Read(nn.Module):
    """One reading: prepared values (B, T, F) -> features (B, R)."""

    fixed: Tensor
    order: Tensor
    data: Tensor

    def __init__(self, fitted: Fitted, reading: Reading, timesteps: int) -> None:
        super().__init__()
        self.reading, self.backbone = reading, fitted.reader.backbone
        self.model = None if self.backbone.passes_through else self.backbone.model
        steps = reading.tokenizer.steps_of(timesteps)
        width = reading.tokenizer.width(fitted.n_features)
        vectors = reading.prompt.fill(self.backbone)
        used = fitted.reader.slots(vectors, steps, np.zeros(1, dtype=np.intp))
        template = fitted.reader.template(steps, width, len(used), reading.prompt)
        words = self.backbone.words
        frame = [getattr(words, kind) for kind in template.frame]
        self.register_buffer("fixed", torch.cat([self.backbone.embed(torch.tensor(frame)), used]))
        self.register_buffer("order", torch.from_numpy(template.order()))
        self.register_buffer("data", torch.from_numpy(template.data.ravel().astype(np.int64)))
        self.answer = self.backbone.answer(template)

    def forward(self, prepared: Tensor) -> Tensor:
        tokens = self.reading.tokenizer.transform(prepared, self.backbone)
        data = tokens if tokens.is_floating_point() else self.backbone.embed(tokens)
        data = data.flatten(1, 2)
        slots = torch.cat([self.fixed.expand(data.shape[0], -1, -1), data], dim=1)
        embeddings = slots.index_select(1, self.order)
        states = self.backbone.run(embeddings, self.reading.layers, self.reading.prompt.deep)
        said = torch.stack([one.index_select(1, self.data) for one in states], dim=1)
        mask = torch.stack([one[:, self.answer] for one in states], dim=1)
        return self.reading.readout.pool(said.float(), mask.float())
