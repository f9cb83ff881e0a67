"""What a fitted classifier is, in words and numbers: from the model alone, without its data."""

from __future__ import annotations

import numpy as np
import torch

from tsprompt.backbones.template import Prompt, Template
from tsprompt.data import Cases
from tsprompt.model.description import Description, Layout, Slot
from tsprompt.model.fitted import Fitted
from tsprompt.reading.reader import Reading

__all__ = ["Layout", "Slot", "describe", "layout", "slots", "width_of"]


def layout(fitted: Fitted) -> Layout:
    """The sizes of a fitted classifier."""
    first, reader = fitted.readings[0], fitted.reader
    return Layout(
        scope=reader.scope,
        latent=_latent(fitted),
        steps=first.tokenizer.max_steps_,
        patch=first.tokenizer.patch_,
        width=width_of(fitted, first),
        prompt_tokens=len(first.prompt),
        layer_tokens=0 if first.prompt.deep is None else first.prompt.deep.shape[2],
        positions=len(_pairs(fitted, first)),
        readings=len(fitted.readings),
        layers_read=first.layers,
        layers=reader.backbone.layers,
        hidden_size=reader.backbone.hidden_size,
        features=sum(_features(fitted, reading) for reading in fitted.readings),
        classes=len(fitted.classes),
    )


def slots(fitted: Fitted, reading: Reading) -> list[Slot]:
    """What the language model reads of one case, position by position, the data as x1 .. xS.

    With ``scope="step"`` it reads each step alone: the template is that of the first.
    """
    return _merge([Slot(kind, text) for kind, text in _pairs(fitted, reading)])


def describe(fitted: Fitted, recipe: str) -> Description:
    """All of it: settings, sizes, classes, templates, scores, costs."""
    return Description(
        recipe=recipe,
        settings=fitted.design.specs(),
        classes=[str(one) for one in fitted.classes],
        n_features=fitted.n_features,
        seed=fitted.seed,
        layout=layout(fitted),
        templates=[slots(fitted, reading) for reading in fitted.readings],
        validation=fitted.design.validation_kind(),
        scores=fitted.scores,
        costs=fitted.costs,
        report=fitted.report,
    )


def _prepared(fitted: Fitted) -> Cases:
    """What the strategy makes of a case of one timestep."""
    one = Cases(np.zeros((1, 1, fitted.n_features), np.float32))
    return fitted.design.strategy.transform(one)


def _latent(fitted: Fitted) -> int | None:
    """Another length than that timestep's is the strategy's own."""
    length = int(_prepared(fitted).lengths[0])
    return None if length == 1 else length


def width_of(fitted: Fitted, reading: Reading) -> int:
    """W. The strategy and the combination may give the tokenizer other features than train's."""
    seen = fitted.design.combination.view(_prepared(fitted), reading.member)
    return reading.tokenizer.width(seen.n_features)


def _pairs(fitted: Fitted, reading: Reading) -> list[tuple[str, str]]:
    """Kind and text of every position, with the context's."""
    backbone, context = fitted.reader.backbone, reading.context
    bare = _words(fitted, reading, Prompt(None), [])
    words = _prompt_words(fitted, reading)
    return context.shown(_words(fitted, reading, reading.prompt, words), bare, backbone)


def _words(
    fitted: Fitted, reading: Reading, prompt: Prompt, words: list[str]
) -> list[tuple[str, str]]:
    """Kind and text of every position of the query under a prompt of these words."""
    backbone, context = fitted.reader.backbone, reading.context
    template = context.arrange(_template(fitted, reading, prompt))
    # A float has no word: the template then shows the number of its step.
    tokens = torch.zeros(*template.data.shape, 1)
    marks = context.marker_words(template, backbone)
    return template.words(tokens, words[: template.prompt.size], backbone, marks)


def _template(fitted: Fitted, reading: Reading, prompt: Prompt) -> Template:
    reader = fitted.reader
    steps = 1 if reader.scope == "step" else reading.tokenizer.max_steps_
    used = min(reader.strategy.slots(reader.length, steps), len(prompt))
    return reader.template(steps, width_of(fitted, reading), used, prompt.at(0))


def _prompt_words(fitted: Fitted, reading: Reading) -> list[str]:
    backbone, prompt = fitted.reader.backbone, reading.prompt
    if prompt.ids is not None:
        return [backbone.words.word(int(number)) for number in prompt.ids]
    if not len(prompt):
        return []
    if not len(backbone.words):
        return [f"v{number + 1}" for number in range(len(prompt))]
    return [f"~{backbone.words.word(one)}" for one in backbone.nearest_words(prompt.fill(backbone))]


def _features(fitted: Fitted, reading: Reading) -> int:
    """R of one reading: the readout is asked with zeros."""
    reader = fitted.reader
    tokens = reading.tokenizer.max_steps_ * width_of(fitted, reading)
    layers, size = len(reading.layers), reader.backbone.state_size
    if reader.scope == "step":
        tokens = reading.tokenizer.max_steps_
    data = torch.zeros(1, layers, tokens, size)
    said = reader.backbone.family.spoken.read
    mask = data if reader.scope == "step" else torch.zeros(1, layers, said, size)
    each = reading.context.rows_each
    data, mask = data.repeat(1, 1, each, 1), mask.repeat(1, 1, each, 1)
    return int(np.prod(reading.readout.pool(data, mask).shape[1:]))


def _merge(pairs: list[Slot]) -> list[Slot]:
    """The W tokens of one step are one slot."""
    merged: list[Slot] = []
    for slot in pairs:
        if (
            slot.kind == "data"
            and merged
            and merged[-1].kind == "data"
            and merged[-1].text == slot.text
        ):
            merged[-1] = Slot("data", slot.text, merged[-1].tokens + 1)
        else:
            merged.append(slot)
    return merged
