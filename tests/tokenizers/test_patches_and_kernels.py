"""Tokenizers that give vectors: patches, the sphere they lie on, and kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenized import fit, series, tokens
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.errors import ConfigError
from tsprompt.tokenizers import responses as blocks
from tsprompt.tokenizers import tokenizers
from tsprompt.tokenizers.kernels import Kernels

# --- patches ---


def test_patches_are_linear_in_the_values(backbone: Backbone) -> None:
    tokenizer = fit("patches:steps=5,sphere=false", series(6, 20, 2), backbone)
    one, other = series(1, 20, 2, 3), series(1, 20, 2, 4)
    at = [tokens(tokenizer, values, backbone) for values in (one, other, (one + other) / 2)]
    torch.testing.assert_close((at[0] + at[1]) / 2, at[2], rtol=1e-4, atol=1e-5)


def test_a_patch_sees_only_its_own_timesteps(backbone: Backbone) -> None:
    tokenizer = fit("patches:steps=5", series(6, 20, 2), backbone)
    values = series(1, 20, 2, 3)
    changed = values.copy()
    changed[0, 9] += 1
    moved = (tokens(tokenizer, changed, backbone) != tokens(tokenizer, values, backbone)).any(3)
    assert moved.ravel().tolist() == [False, False, True, False, False]


def test_a_short_last_patch_is_continued_with_its_last_value(backbone: Backbone) -> None:
    tokenizer = fit("patches:steps=5", series(6, 20, 1), backbone)
    short = series(1, 18, 1, 3)
    full = np.concatenate([short, short[:, -1:], short[:, -1:]], axis=1)
    torch.testing.assert_close(
        tokens(tokenizer, short, backbone), tokens(tokenizer, full, backbone)
    )


# --- the sphere ---


@pytest.mark.parametrize("name", ["kernels", "patches"])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_all_tokens_are_equally_long_and_have_no_mean(
    backbone: Backbone, name: str, size: float
) -> None:
    tokenizer = fit(name, series(9, 40, 2), backbone)
    out = tokens(tokenizer, size * series(3, 40, 2, 5), backbone)
    radius = tokenizer.state()["radius_"]
    torch.testing.assert_close(out.norm(dim=-1), torch.full(out.shape[:-1], radius))
    assert float(out.mean(dim=-1).abs().max()) < 1e-5 * radius


def test_layer_norm_keeps_how_strong_a_step_is_only_on_the_sphere(backbone: Backbone) -> None:
    """A patch of twice the size points the same way: LayerNorm alone makes the two the same."""
    train = np.concatenate([series(20, 24, 1), -series(20, 24, 1)])  # centred: 0 maps to 0
    values = 0.3 * train[:3]
    for sphere, alike in (("false", True), ("true", False)):
        tokenizer = fit(f"patches:steps=6,sphere={sphere}", train, backbone)
        normed = [
            torch.nn.functional.layer_norm(one, one.shape[-1:])
            for one in (tokens(tokenizer, size * values, backbone) for size in (1, 2))
        ]
        assert float((normed[0] - normed[1]).abs().max() < 0.1) == alike


def test_the_sphere_loses_nothing_but_two_directions_of_what_is_within(
    backbone: Backbone,
) -> None:
    train = series(20, 24, 1)
    tokenizer, plain = (
        fit(f"patches:steps=6,sphere={sphere}", train, backbone) for sphere in ("true", "false")
    )
    placed, free = (tokens(one, 0.1 * train, backbone) for one in (tokenizer, plain))
    direction = tokenizer.state()["direction_"]
    free = free - free.mean(dim=-1, keepdim=True)
    free = free - (free @ direction)[..., None] * direction
    found = placed - (placed @ direction)[..., None] * direction
    torch.testing.assert_close(found, free, atol=1e-5, rtol=1e-4)


def test_rare_bursts_among_flat_steps_are_not_cut_to_nothing(backbone: Backbone) -> None:
    train = np.zeros((30, 60, 1), np.float32)
    train[:2, 30:36] = series(2, 6, 1)
    tokenizer = fit("patches:steps=10", train, backbone)
    bursts = tokens(fit("patches:steps=10,sphere=false", train, backbone), train[:2], backbone)
    # The root mean square over all: a length that the few bursts were counted in.
    assert tokenizer.state()["radius_"] > 0.05 * float(bursts.norm(dim=-1).max())
    out = tokens(tokenizer, train[:2], backbone)
    assert float((out[:, 5] - out[:, 0]).norm(dim=-1).min()) > 0.5 * tokenizer.state()["radius_"]


# --- kernels ---


def reach(tokenizer: Kernels) -> int:
    """Timesteps to either side that a kernel, behind its moving average, can see."""
    dilation, length = int(tokenizer.dilations_.max()), tokenizer.weights_.shape[2]
    return dilation * (length - 1) // 2 + dilation // 2


@pytest.mark.parametrize("response", ["rank", "std"])
@pytest.mark.parametrize("differences", ["never", "always"])
@given(t=st.integers(0, 39))
def test_a_change_moves_only_steps_within_reach(
    backbone: Backbone, response: str, differences: str, t: int
) -> None:
    spec = f"kernels:length=3,response={response},differences={differences},steps=20"
    tokenizer = fit(spec, series(6, 40, 2), backbone)
    assert isinstance(tokenizer, Kernels)
    # Only the short dilations: with the longest, every step is within reach.
    tokenizer.dilations_ = tokenizer.dilations_.clamp(max=3)
    values = series(1, 40, 2, 3)
    changed = values.copy()
    changed[0, t] += 30
    moved = (tokens(tokenizer, changed, backbone) != tokens(tokenizer, values, backbone)).any(3)
    steps = moved[0, :, 0].nonzero().ravel().tolist()
    far = reach(tokenizer) + (differences == "always")
    assert steps
    assert min(steps) >= (t - far) // 2
    assert max(steps) <= (t + far) // 2


@pytest.mark.parametrize("factor", [10.0, 1e4])
def test_rank_does_not_care_how_high_a_spike_is(backbone: Backbone, factor: float) -> None:
    train = series(12, 40, 1)
    rank = fit("kernels:response=rank,steps=20", train, backbone)
    sizes = fit("kernels:response=std,steps=20,sphere=false", train, backbone)
    flat = np.zeros((1, 40, 1), np.float32)
    spike, higher = flat.copy(), flat.copy()
    spike[0, 20], higher[0, 20] = 1e6, 1e6 * factor
    torch.testing.assert_close(tokens(rank, spike, backbone), tokens(rank, higher, backbone))
    far = tokens(sizes, spike, backbone) - tokens(sizes, higher, backbone)
    assert float(far.abs().max()) > 1


@pytest.mark.parametrize("differences", ["never", "always"])
def test_ties_do_not_fall_to_either_side_by_float_noise(
    backbone: Backbone, differences: str
) -> None:
    """Flat stretches and few distinct values, as many archives have, tie with the quantiles."""
    train = np.round(series(20, 40, 1) * 2).repeat(3, axis=1)
    tokenizer = fit(f"kernels:differences={differences},steps=60", train, backbone)
    noise = 1 + 1e-7 * series(20, 120, 1, 9)
    before, after = (tokens(tokenizer, x, backbone) for x in (train, train * noise))
    assert float((before != after).float().mean()) < 1e-4


def test_rank_is_the_quantile_bin_of_the_largest_response(backbone: Backbone) -> None:
    tokenizer = fit("kernels:response=rank,quantiles=5,steps=8", series(30, 40, 1), backbone)
    assert isinstance(tokenizer, Kernels)
    count = len(tokenizer.weights_)
    responses = torch.linspace(-9, 9, 101).expand(count // 2, 101)
    ranks = blocks.bins(responses, tokenizer.edges_[1::2])
    assert (ranks.diff(dim=1) >= 0).all()
    assert ranks.amin() == 0
    assert ranks.amax() == 4
    bins = tokenizer._responses(torch.from_numpy(series(30, 40, 1)), 1)[..., 1::2]
    filled = torch.stack([(bins == one).float().mean() for one in range(5)])
    torch.testing.assert_close(filled, torch.full((5,), 0.2), rtol=0, atol=0.02)


@pytest.mark.parametrize("response", ["rank", "std"])
@pytest.mark.parametrize("shape", [(41, 1), (30, 3), (3, 2)])
@pytest.mark.parametrize("small", [False, True])
def test_blocks_give_what_convolution_and_pooling_give(
    backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
    response: str,
    shape: tuple[int, int],
    *,
    small: bool,
) -> None:
    """Whatever the size of the blocks, and where the last patch is shorter than the others."""
    if small:
        monkeypatch.setattr(blocks, "_LEAST_CASES", 3)
        monkeypatch.setattr(blocks, "_LEAST_KERNELS", 2)
        monkeypatch.setattr(blocks, "_TIMESTEPS", 1)
        monkeypatch.setattr(blocks, "_HELD", 1)
    spec = f"kernels:response={response},steps=9,differences=never"
    tokenizer = fit(spec, series(20, *shape), backbone)
    assert isinstance(tokenizer, Kernels)
    values = torch.from_numpy(series(20, *shape, 4))
    found = tokenizer._responses(values, tokenizer.patch_)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    plain = tokenizer._responses(values, tokenizer.patch_)
    # What ties with an edge may fall to either side of it by the last bit.
    apart = (found - plain).abs() > 1e-5
    assert float(apart.float().mean()) < 1e-3
    assert found.std() > 0


@pytest.mark.parametrize("shape", [(41, 1), (30, 3), (3, 2)])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_groups_that_are_copied_together_give_what_each_gives(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], count: int
) -> None:
    tokenizer = fit("kernels:steps=9", series(20, *shape), backbone)
    assert isinstance(tokenizer, Kernels)
    values = torch.from_numpy(series(count, *shape, 4))
    copied: list[int] = []
    select = torch.index_select

    def noted(*given: Any, **how: Any) -> Tensor:
        copied.append(1)
        return select(*given, **how)

    monkeypatch.setattr(torch, "index_select", noted)
    found = []
    for most in (1, 1 << 30):
        monkeypatch.setattr(blocks, "_BUNDLE", most)
        found.append(tokenizer._responses(values, tokenizer.patch_))
        copied.append(0)
    assert torch.equal(*found)
    one_by_one, together = (part.count("1") for part in "".join(map(str, copied)).split("0", 1))
    kinds = {group.smoothed for group in tokenizer._groups()}
    assert (one_by_one, together) == (len(tokenizer._groups()), len(kinds))


@pytest.mark.parametrize("shape", [(41, 1), (251, 1), (30, 3), (3, 2)])
@pytest.mark.parametrize("count", [1, 2, 16])
@pytest.mark.parametrize("response", ["rank", "std"])
def test_kernels_that_are_joined_make_the_tokens_that_each_makes(
    backbone: Backbone, shape: tuple[int, int], count: int, response: str
) -> None:
    """Bit by bit: half of them see differences."""
    spec = f"kernels:steps=9,response={response}"
    train = [series(20, *shape, seed) for seed in range(4)]
    every = [fit(spec, one, backbone, member=k) for k, one in enumerate(train)]
    assert len({one.joins for one in every}) == 1
    values = torch.from_numpy(series(count, *shape, 4))
    found = every[0].joined(every[1:], backbone)(values)
    assert len(found) == len(every)
    for one, own in zip(every, found, strict=True):
        assert torch.equal(own, one.transform(values, backbone))


def test_kernels_are_joined_with_such_as_have_their_form(backbone: Backbone) -> None:
    train = series(20, 41, 1)

    def joins(spec: str) -> Any:
        return fit(spec, train, backbone).joins

    plain = joins("kernels:steps=9")
    assert plain is not None
    assert plain == joins("kernels:steps=9,smoothed=0.1")
    others = ("steps=8", "steps=9,length=7", "steps=9,quantiles=5", "steps=9,response=std")
    assert all(joins(f"kernels:{one}") != plain for one in others)
    assert joins("kernels:steps=9,sphere=false") is None
    assert joins("patches") is None
    odd = fit("kernels:steps=9", train, backbone)
    assert isinstance(odd, Kernels)
    odd.weights_ = odd.weights_[: blocks.LINE + 2]
    assert odd.joins is None


@pytest.mark.parametrize("features", [1, 3])
def test_single_responses_are_those_of_the_convolution(backbone: Backbone, features: int) -> None:
    tokenizer = fit("kernels:differences=never", series(20, 41, features), backbone)
    assert isinstance(tokenizer, Kernels)
    values = torch.from_numpy(series(4, 41, features, 4))
    cases, timesteps = torch.arange(4).repeat_interleave(41), torch.arange(41).repeat(4)
    bank = blocks.Bank(tokenizer.weights_, tokenizer._groups(), tokenizer.thresholds_, None)
    found = bank.at(values, cases, timesteps).unflatten(1, (4, 41))
    whole = bank.pooled([values], 1)[..., 1::2]
    torch.testing.assert_close(found[1::2].permute(1, 2, 0), whole)


def test_every_second_member_sees_differences(backbone: Backbone) -> None:
    train = series(6, 30, 1)
    seen = [
        fit(f"kernels:differences={which}", train, backbone, member=member).state()["difference_"]
        for which in ("alternate", "never", "always")
        for member in (0, 1, 2)
    ]
    assert seen == [False, True, False, False, False, False, True, True, True]


def test_differences_do_not_see_the_level(backbone: Backbone) -> None:
    tokenizer = fit("kernels:differences=always", series(6, 30, 1), backbone)
    values = np.round(series(1, 30, 1, 3) * 8)
    torch.testing.assert_close(
        tokens(tokenizer, values, backbone), tokens(tokenizer, values + 64, backbone)
    )


@pytest.mark.parametrize(
    ("level", "apart", "centred"), [(1, 3.0, 0.1), (1, 0.0, 1.0), (0, 3.0, 1.0)]
)
def test_kernels_see_the_level_where_it_tells_series_apart(
    level: float, apart: float, centred: float, backbone: Backbone
) -> None:
    train = series(20, 30, 1) - series(20, 30, 1).mean(axis=1, keepdims=True)
    train += apart * np.arange(20, dtype=np.float32)[:, None, None]
    tokenizer = fit(f"kernels:differences=never,level={level}", train, backbone)
    assert isinstance(tokenizer, Kernels)
    means = tokenizer.weights_.sum(dim=2).abs().amax(dim=1)
    assert float((means < 1e-5).float().mean()) == pytest.approx(centred, abs=0.1)
    values = np.round(series(1, 30, 1, 3) * 8)
    low, high = (tokens(tokenizer, values + shift, backbone) for shift in (0, 16))
    assert bool((low - high).abs().max() > 1e-3) is (centred < 1)


def test_kernels_have_unit_norm_and_reach_over_the_series(backbone: Backbone) -> None:
    tokenizer = fit("kernels", series(6, 100, 3), backbone)
    assert isinstance(tokenizer, Kernels)
    norms = tokenizer.weights_.flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    used = tokenizer.weights_.abs().sum(dim=2) > 0
    assert (used.sum(dim=1) >= 1).all()
    assert set(used.sum(dim=1).tolist()) == {1, 2, 3}
    dilations = tokenizer.dilations_.tolist()
    assert dilations == sorted(dilations)
    assert dilations[0] == 1
    assert max(dilations) * 8 <= 99
    assert len(set(dilations)) > 3


def test_padding_repeats_the_ends(backbone: Backbone) -> None:
    """A constant series has no edges: every step looks alike."""
    tokenizer = fit("kernels:steps=30,differences=never", series(6, 30, 1), backbone)
    out = tokens(tokenizer, np.full((1, 30, 1), 2.0, np.float32), backbone)
    torch.testing.assert_close(out, out[:, :1].expand_as(out), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "spec",
    [
        "kernels:length=0",
        "kernels:quantiles=1",
        "kernels:smoothed=2",
        "kernels:level=-1",
        "kernels:sphere=no",
        "kernels:scale=0",
        "kernels:response=max",
        "kernels:differences=some",
        "patches:scale=-1",
    ],
)
def test_wrong_options_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError):
        tokenizers.build(spec)
