"""Tokenizers: shapes, bounds, and that nothing of a series is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.tokenizers import Tokenizer, tokenizers
from tsprompt.tokenizers import responses as blocks
from tsprompt.tokenizers.base import pool_mean
from tsprompt.tokenizers.bins import Bins
from tsprompt.tokenizers.digits import Digits
from tsprompt.tokenizers.kernels import Kernels

NAMES = [name for name in tokenizers if tokenizers[name].makes == "words"]
"""That of pictures has steps of another kind: see test_families."""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def series(count: int, timesteps: int, features: int, seed: int = 0) -> np.ndarray:
    return rng(seed).standard_normal((count, timesteps, features)).astype(np.float32)


def fit(
    spec: Any, train: Any, backbone: Backbone, max_steps: int | None = None, member: int = 0
) -> Tokenizer:
    tokenizer = tokenizers.build(spec)
    return tokenizer.fit(Cases(train), backbone, max_steps=max_steps, rng=rng(1), member=member)


def tokens(tokenizer: Tokenizer, values: np.ndarray, backbone: Backbone) -> Tensor:
    return tokenizer.transform(torch.from_numpy(values), backbone)


# --- all of them ---


@pytest.mark.parametrize("name", NAMES)
@given(
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 70), st.integers(1, 4)),
    steps=st.none() | st.integers(1, 12),
    room=st.none() | st.integers(1, 40),
)
@example(sizes=(10, 10, 1), steps=4, room=None)
@example(sizes=(30, 31, 2), steps=None, room=7)
def test_steps_fit_and_cover_every_timestep(
    backbone: Backbone,
    name: str,
    sizes: tuple[int, int, int],
    steps: int | None,
    room: int | None,
) -> None:
    timesteps, test, features = sizes
    tokenizer = fit(f"{name}:steps={steps}", series(3, timesteps, features), backbone, room)
    most = min(steps or timesteps, room or timesteps)
    for length in (timesteps, test):
        out = tokens(tokenizer, series(2, length, features, 5), backbone)
        patch = tokenizer.patch_length(length)
        count = -(-length // patch)
        assert out.shape[:3] == (2, count, tokenizer.width(features))
        assert count <= tokenizer.max_steps_ <= most
        if tokenizer.discrete:
            assert out.dtype == torch.int64
            assert out.ndim == 3
            assert int(out.min()) >= 0
            assert int(out.max()) < len(backbone.word_vectors)
        else:
            assert out.shape[3] == backbone.hidden_size
            assert out.dtype == torch.float32
            assert out.isfinite().all()


@pytest.mark.parametrize("spec", [*NAMES, "kernels:response=std", "bins:edges=quantile"])
@pytest.mark.parametrize("steps", [8, 20])
@pytest.mark.parametrize("length", [11, 20, 33])
def test_no_timestep_is_cut(backbone: Backbone, spec: str, steps: int, length: int) -> None:
    spec += f"{',' if ':' in spec else ':'}steps={steps}"
    tokenizer = fit(spec, series(6, 20, 2), backbone)
    values = series(1, length, 2, 7)
    before = tokens(tokenizer, values, backbone)
    for t in range(length):
        for f in range(2):
            changed = values.copy()
            changed[0, t, f] += 50.0 if changed[0, t, f] < 0 else -50.0
            assert not torch.equal(tokens(tokenizer, changed, backbone), before), (t, f)


@pytest.mark.parametrize("name", NAMES)
def test_transform_learns_nothing(backbone: Backbone, name: str) -> None:
    tokenizer = fit(name, series(4, 20, 2), backbone)
    before = {
        key: value.clone() if isinstance(value, Tensor) else value
        for key, value in tokenizer.state().items()
    }
    tokens(tokenizer, 100 * series(4, 33, 2, 3), backbone)
    after = tokenizer.state()
    assert after.keys() == before.keys()
    for key, value in before.items():
        assert torch.equal(torch.as_tensor(after[key]), torch.as_tensor(value)), key


@pytest.mark.parametrize("name", NAMES)
def test_a_case_does_not_depend_on_those_beside_it(backbone: Backbone, name: str) -> None:
    tokenizer = fit(name, series(4, 20, 2), backbone)
    values = series(5, 20, 2, 3)
    together = tokens(tokenizer, values, backbone)
    alone = torch.cat([tokens(tokenizer, values[i : i + 1], backbone) for i in range(5)])
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_ragged_train_of_any_lengths(backbone: Backbone, name: str) -> None:
    train = [series(1, length, 2, length)[0] for length in (1, 2, 9, 30, 4)]
    tokenizer = fit(f"{name}:steps=6", train, backbone)
    for length in (1, 2, 30, 100):
        out = tokens(tokenizer, series(1, length, 2), backbone)
        assert out.shape[1] <= 6
        assert out.isfinite().all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "kernels"])
@pytest.mark.parametrize("steps", [5, 20])
def test_a_series_at_twice_the_rate_gives_the_same_tokens(
    backbone: Backbone, name: str, steps: int
) -> None:
    tokenizer = fit(f"{name}:steps={steps}", series(4, 20, 2), backbone)
    values = series(2, 20, 2, 3)
    twice = np.repeat(values, 2, axis=1)
    torch.testing.assert_close(
        tokens(tokenizer, twice, backbone), tokens(tokenizer, values, backbone)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 5.0])
def test_constant_series_are_no_division_by_zero(
    backbone: Backbone, name: str, value: float
) -> None:
    constant = np.full((3, 12, 2), value, np.float32)
    tokenizer = fit(name, constant, backbone)
    for values in (constant, series(2, 12, 2)):
        assert tokens(tokenizer, values, backbone).to(torch.float32).isfinite().all()


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(tokenizers[name], "scale")])
def test_continuous_tokens_have_the_scale_of_words(backbone: Backbone, name: str) -> None:
    train = series(40, 30, 2)
    out = tokens(fit(f"{name}:scale=2.0,sphere=false", train, backbone), train, backbone)
    assert float(out.std()) == pytest.approx(2.0 * backbone.word_scale, rel=0.1)
    assert float(out.mean()) == pytest.approx(0.0, abs=0.1 * backbone.word_scale)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [0, -1])
def test_steps_below_one_are_refused(name: str, steps: int) -> None:
    with pytest.raises(ConfigError, match="steps must be 1 or more"):
        tokenizers.build(f"{name}:steps={steps}")


def test_a_step_that_does_not_fit_beside_the_prompt_says_what_to_do(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match=r"a step of 9 features takes 36 tokens .*kernels"):
        fit("digits", series(2, 5, 9), backbone, max_steps=0)


def test_a_patch_is_its_mean_even_the_last_shorter_one() -> None:
    values = torch.arange(7.0)[None, :, None]
    assert pool_mean(values, 3).ravel().tolist() == [1, 4, 6]
    assert pool_mean(values, 10).ravel().tolist() == [3]
    assert pool_mean(values, 1) is values


# --- bins ---


def numbers(tokenizer: Tokenizer, values: list[float], backbone: Backbone) -> list[int]:
    """Bin numbers of values, each a series of one timestep."""
    out = tokens(tokenizer, np.array(values, np.float32)[:, None, None], backbone)
    return [int(backbone.words.word(int(i))) for i in out.ravel()]


def test_bins_of_equal_width_lie_between_the_minimum_and_maximum_of_train(
    backbone: Backbone,
) -> None:
    tokenizer = fit("bins:bins=4", [np.array([[0], [8], [1]])], backbone)
    assert numbers(tokenizer, [0, 1.9, 2.1, 3.9, 4.1, 6.1, 8], backbone) == [0, 0, 1, 1, 2, 3, 3]
    # A value on an edge belongs to the bin above it.
    assert numbers(tokenizer, [2, 4, 6], backbone) == [1, 2, 3]


def test_values_beyond_train_fall_into_the_outer_bins(backbone: Backbone) -> None:
    tokenizer = fit("bins:bins=4", [np.array([[0], [8]])], backbone)
    assert numbers(tokenizer, [-1e9, -0.1, 8.1, 1e9], backbone) == [0, 0, 3, 3]


def test_each_feature_has_its_own_bins(backbone: Backbone) -> None:
    train = np.array([[[0, 100], [1, 200]]], np.float32)
    tokenizer = fit("bins:bins=10", train, backbone)
    out = tokens(tokenizer, np.array([[[0.55, 155]]], np.float32), backbone)
    assert [backbone.words.word(int(i)) for i in out.ravel()] == ["5", "5"]


@given(st.integers(2, 12), st.integers(0, 99))
def test_quantile_bins_hold_equally_many_values_of_train(
    backbone: Backbone, bins: int, seed: int
) -> None:
    train = np.exp(series(4, 60, 1, seed) * 2)
    tokenizer = fit(f"bins:edges=quantile,bins={bins}", train, backbone)
    filled = np.bincount(numbers(tokenizer, train.ravel().tolist(), backbone), minlength=bins)
    assert filled.sum() == 240
    assert filled.max() - filled.min() <= 2


@given(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=20))
def test_bins_are_monotone(backbone: Backbone, values: list[float]) -> None:
    tokenizer = fit("bins:bins=7", series(3, 20, 1), backbone)
    found = numbers(tokenizer, sorted(values), backbone)
    assert found == sorted(found)


def test_words_of_bins(backbone: Backbone) -> None:
    train = series(3, 9, 1)
    named = fit("bins:bins=20", train, backbone)
    assert isinstance(named, Bins)
    assert [backbone.words.word(int(i)) for i in named.ids_] == [str(i) for i in range(20)]
    index = fit("bins:bins=20,words=index", train, backbone)
    assert index.state()["ids_"].tolist() == list(range(20))
    drawn = fit("bins:bins=20,words=random", train, backbone).state()["ids_"].tolist()
    assert len(set(drawn)) == 20
    assert set(drawn) <= set(backbone.words.plain)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bins:bins=201", "no single word for the number 200; use bins=200 or fewer"),
        ("bins:bins=9999,words=index", "vocabulary has only 411 entries"),
        ("bins:bins=300,words=random", "vocabulary has only 176 words"),
        ("bins:bins=1", "2 or more"),
        ("bins:edges=log", "not one of: width, quantile"),
        ("bins:words=letters", "not one of: numbers, index, random"),
    ],
)
def test_bins_that_the_vocabulary_lacks_are_refused(
    backbone: Backbone, spec: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(spec, series(2, 5, 1), backbone)


# --- digits ---


@given(
    st.integers(1, 4),
    st.lists(st.floats(-40, 40, width=32), min_size=1, max_size=12),
)
def test_digits_read_back_as_the_rounded_value(
    backbone: Backbone, digits: int, values: list[float]
) -> None:
    top = 10**digits - 1
    tokenizer = fit(f"digits:digits={digits}", [np.array([[-25.0], [10.0]])], backbone)
    out = tokens(tokenizer, np.array(values, np.float32)[:, None, None], backbone)
    text = "".join(backbone.words.word(int(i)) for i in out.ravel())
    read = [int(one) for one in text.rstrip(",").split(",")]
    assert len(text) == len(values) * (digits + 2)
    for number, value in zip(read, values, strict=True):
        wanted = np.clip(value / 25 * top, -top, top)
        assert abs(number - wanted) <= 0.5 + 1e-3 * abs(wanted)


def test_digits_of_two_features_stand_beside_each_other(backbone: Backbone) -> None:
    tokenizer = fit("digits", np.array([[[99.0, -99.0]]]), backbone)
    assert isinstance(tokenizer, Digits)
    out = tokens(tokenizer, np.array([[[7.0, -42.4]]], np.float32), backbone)
    assert [backbone.words.word(int(i)) for i in out.ravel()] == list("+07,-42,")


@pytest.mark.parametrize("digits", [0, 7])
def test_a_useless_number_of_digits_is_refused(digits: int) -> None:
    with pytest.raises(ConfigError, match="between 1 and 6"):
        tokenizers.build(f"digits:digits={digits}")


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
