"""Prompts of values: which words, slices and masks they can reach, and what they come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tsprompt.backbones import Backbone
from tsprompt.prompts.buffer import Buffer
from tsprompt.prompts.gru import GRU
from tsprompt.prompts.values import ValuesModule


def written(
    backbone: Backbone, seed: int, slots: int = 16, inputs: int = 0, **options: object
) -> ValuesModule:
    model = GRU(placement="random", hidden=16, **options)  # type: ignore[arg-type]
    model.inputs = inputs
    module = model.module(slots, backbone, np.random.default_rng(seed))
    assert isinstance(module, ValuesModule)
    return module


def test_gru_and_mlp_reach_the_whole_vocabulary(backbone: Backbone) -> None:
    """Values come as normal ones do: three deviations either side span the vocabulary."""
    size = len(backbone.word_vectors)
    ids = [written(backbone, seed).prompt().ids for seed in range(150)]
    told = torch.cat([one for one in ids if one is not None]) / (size - 1)
    assert float(told.min()) < 0.1
    assert float(told.max()) > 0.9
    middle = ((told > 1 / 3) & (told < 2 / 3)).float().mean()
    assert 0.6 < float(middle) < 0.76, "one standard deviation either side: 0.68"
    assert all(one is not None and len(one.unique()) > 8 for one in ids), "within one prompt too"


def test_slice_and_mask_reach_every_place(backbone: Backbone) -> None:
    prompts = [written(backbone, seed, slots=3).prompt() for seed in range(400)]
    assert {one.before for one in prompts} == {0, 1, 2, 3, 4}
    assert {one.mask for one in prompts} == {0, 1, 2, 3}


def test_slice_and_mask_are_written_by_an_mlp_and_not_drawn(backbone: Backbone) -> None:
    """They depend on weights, which a gradient reaches, and follow them when they change."""
    module = written(backbone, 0)
    where = module.where()
    where.sum().backward()
    reached = {name for name, one in module.named_parameters() if one.grad is not None}
    assert reached
    assert all(name.startswith("places.") for name in reached)
    before = module.prompt()
    last = list(module.places.parameters())[-1]  # type: ignore[union-attr]
    with torch.no_grad():
        last += 10 * module.places.unit  # type: ignore[union-attr,operator]
    moved = module.prompt()
    assert (moved.mask, moved.before) == (16, 17), "far beyond the last place"
    assert (before.mask, before.before) != (16, 17)
    module.zero_grad()
    module.described()[16:].sum().backward()
    assert float(last.grad.abs().min()) > 0, "a gradient can bring them back"
    assert moved.ids is not None
    assert moved.ids.equal(before.ids)  # type: ignore[arg-type]


def test_the_lookup_still_blocks_the_gradient(backbone: Backbone) -> None:
    prompt = written(backbone, 0)()
    assert not prompt.learns
    assert all(isinstance(one, int) for one in (prompt.before, prompt.mask))


def test_each_input_has_places_of_its_own(backbone: Backbone) -> None:
    module = written(backbone, 0, slots=40, inputs=10)
    prompt = module.prompt()
    assert isinstance(prompt.before, tuple)
    assert len(prompt.before) == 10
    assert len(set(prompt.before)) > 1
    assert module.described().shape == (40 + 2 * 10,)


@pytest.mark.parametrize("inputs", [0, 4])
def test_a_buffers_places_are_drawn_and_stay(backbone: Backbone, inputs: int) -> None:
    model = Buffer(placement="random")
    model.inputs = inputs
    module = model.module(8, backbone, np.random.default_rng(3))
    assert isinstance(module, ValuesModule)
    prompt, told = module.prompt(), module.described()
    places = torch.tensor([prompt.mask, prompt.before]).reshape(2, -1).T.flatten()
    own = 8 // max(inputs, 1)
    torch.testing.assert_close(told[8:], places / (own + 1))
    assert not module.where().requires_grad
