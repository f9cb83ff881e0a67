"""Readouts: which layers, and what they make of hidden states."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tsprompt.errors import ConfigError
from tsprompt.readouts import Readout, readouts
from tsprompt.readouts.mask import Mask
from tsprompt.readouts.pooled import Pooled

LEVELS = (0.2, 0.5, 0.8)

ALONE = [
    name for name in readouts if not (readouts[name].reads_words or readouts[name].needs_texts)
]
"""Readouts that need no words or texts of a model; test_cpt.py and test_painted.py have the
others."""


def states(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def pooled(pools: str, data: Tensor, mask: Tensor, **options: object) -> Tensor:
    options.setdefault("maybe", ())
    readout = Pooled(pools=pools, **options)  # type: ignore[arg-type]
    return readout.fit(data.transpose(1, 2).flatten(0, 1)).pool(data, mask)


# --- layers ---


def test_layers_by_default() -> None:
    assert Mask().choose_layers(6) == (6,)
    assert Pooled().choose_layers(6) == (1,)
    assert Pooled().choose_layers(1) == (1,)
    assert Pooled(first=3).choose_layers(6) == (1, 2, 3)
    assert Pooled().choose_layers(0) == Mask().choose_layers(0) == (0,)


@given(st.integers(1, 12), st.data())
def test_negative_layers_count_from_the_last(total: int, data: st.DataObject) -> None:
    layer = data.draw(st.integers(1, total))
    assert Mask(layers=(layer,)).choose_layers(total) == (layer,)
    assert Mask(layers=(layer - total - 1,)).choose_layers(total) == (layer,)


@pytest.mark.parametrize("layer", [7, -7])
def test_a_layer_that_the_backbone_lacks_is_refused(layer: int) -> None:
    with pytest.raises(ConfigError, match=f"no layer {layer}; the backbone has layers 0 to 6"):
        Mask(layers=(2, layer)).choose_layers(6)


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize(("text", "layers"), [("2", (2,)), ("1+3", (1, 3)), ("-1", (-1,))])
def test_layers_can_be_written(name: str, text: str, layers: tuple[int, ...]) -> None:
    readout = readouts.build(f"{name}:layers={text}")
    assert readout.layers == layers
    assert readouts.build(readout.spec()) == readout


# --- mask ---


def test_mask_gives_the_mask_vectors_of_all_layers() -> None:
    data, mask = states(3, 2, 5, 4), states(3, 2, 1, 4, seed=1)
    assert torch.equal(Mask().pool(data, mask), mask.reshape(3, 8))


# --- pooled ---


def test_mean_max_and_min_are_over_the_data_tokens() -> None:
    data, mask = states(3, 2, 5, 4), states(3, 2, 1, 4, seed=1)
    assert torch.allclose(pooled("mean", data, mask), data.mean(2).flatten(1))
    assert torch.equal(pooled("max", data, mask), data.amax(2).flatten(1))
    assert torch.equal(pooled("min", data, mask), data.amin(2).flatten(1))
    assert torch.equal(pooled("mask", data, mask), mask.flatten(1))


def test_std_is_over_the_data_tokens_and_has_a_gradient_where_they_are_all_the_same() -> None:
    data, mask = states(3, 2, 5, 4), states(3, 2, 1, 4, seed=1)
    expected = data.std(2, correction=0).flatten(1)
    torch.testing.assert_close(pooled("std", data, mask), expected, atol=1e-5, rtol=1e-5)
    constant = torch.full((1, 1, 5, 2), 7.0, requires_grad=True)
    pooled("std", constant, mask).sum().backward()
    assert constant.grad is not None
    assert constant.grad.isfinite().all()


def test_optional_features_stand_last_and_are_counted() -> None:
    data, mask = states(3, 2, 8, 4), states(3, 2, 1, 4, seed=1)
    readout = Pooled(maybe=("segments", "proportion"), segments=4)
    readout.fit(data.transpose(1, 2).flatten(0, 1))
    features = readout.pool(data, mask)
    optional = readout.optional(features.shape[1])
    assert torch.equal(features[:, ~optional], pooled(("mean", "std"), data, mask))  # type: ignore[arg-type]
    assert torch.equal(
        features[:, optional],
        pooled(("segments", "proportion"), data, mask),  # type: ignore[arg-type]
    )
    assert not Mask().optional(5).any()
    assert not Pooled(maybe=()).fit(states(9, 2, 4)).optional(16).any()


def test_segments_are_means_of_equal_parts_in_their_order() -> None:
    data = torch.arange(8.0).reshape(1, 1, 8, 1).expand(1, 1, 8, 2)
    out = pooled("segments", data, data[:, :, :1], segments=4)
    assert out.tolist() == [[0.5, 2.5, 4.5, 6.5] * 2]
    assert pooled("segments", data[:, :, :3], data, segments=4).shape == (1, 8)


def test_proportion_counts_tokens_above_quantiles_of_train() -> None:
    train = torch.linspace(0, 100, 1001)[None, None, :, None]
    out = pooled("proportion", train, train)
    np.testing.assert_allclose(out.ravel(), [0.8, 0.5, 0.2], atol=0.01)
    readout = Pooled(pools=("proportion",), maybe=()).fit(train[0].transpose(0, 1))
    low, high = (torch.full((1, 1, 4, 1), value) for value in (-1e6, 1e6))
    assert readout.pool(low, low).ravel().tolist() == [0, 0, 0]
    assert readout.pool(high, high).ravel().tolist() == [1, 1, 1]
    half = torch.cat([low, high], dim=2)
    assert readout.pool(half, half).ravel().tolist() == [0.5, 0.5, 0.5]


def test_proportion_is_that_of_train_not_of_what_is_read() -> None:
    readout = Pooled(pools=("proportion",)).fit(states(500, 1, 3))
    kept = copy.deepcopy(readout.state())
    readout.pool(states(2, 1, 5, 3) + 9, states(2, 1, 1, 3))
    assert str(readout.state()) == str(kept)


def test_proportion_of_constant_tokens_is_finite() -> None:
    constant = torch.full((4, 2, 5, 3), 7.0)
    assert pooled("proportion", constant, constant).isfinite().all()


def test_pools_stand_in_the_order_asked_for() -> None:
    data, mask = states(3, 2, 5, 4), states(3, 2, 1, 4, seed=1)
    both = pooled(("max", "mean"), data, mask)  # type: ignore[arg-type]
    assert torch.equal(both[:, :8], pooled("max", data, mask))
    assert torch.equal(both[:, 8:], pooled("mean", data, mask))


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize(("tokens", "masks"), [(7, 1), (7, 7), (1, 1)])
def test_features_of_a_case_depend_on_it_alone(name: str, tokens: int, masks: int) -> None:
    readout = readouts.build(name).fit(states(40, 2, 6))
    data, mask = states(5, 2, tokens, 6, seed=1), states(5, 2, masks, 6, seed=2)
    together = readout.pool(data, mask)
    assert together.shape[0] == 5
    assert together.ndim == 2
    alone = torch.cat([readout.pool(data[i : i + 1], mask[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(alone, together)


@pytest.mark.parametrize("name", ALONE)
def test_pooling_leaves_hidden_states_as_they_are(name: str) -> None:
    readout = readouts.build(name).fit(states(40, 2, 6))
    data, mask = states(5, 2, 7, 6, seed=1), states(5, 2, 1, 6, seed=2)
    kept = data.clone(), mask.clone()
    readout.pool(data, mask)
    assert torch.equal(data, kept[0])
    assert torch.equal(mask, kept[1])


@pytest.mark.parametrize(
    "spec",
    [
        "pooled:pools=median",
        "pooled:segments=0",
        "pooled:first=0",
        "pooled:maybe=mask",
        "pooled:levels=0",
        "pooled:levels=0.5+1",
        "mask:layers=[]",
    ],
)
def test_wrong_options_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError):
        readouts.build(spec)


def test_the_base_pools_nothing() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Readout()  # type: ignore[abstract]


def test_default_levels() -> None:
    assert Pooled().levels == LEVELS
