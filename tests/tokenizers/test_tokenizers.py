"""What holds for every registered tokenizer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tokenized import NAMES, fit, series, tokens
from torch import Tensor

from tsprompt.backbones import Backbone
from tsprompt.errors import ConfigError
from tsprompt.tokenizers import tokenizers
from tsprompt.tokenizers.base import pool_mean


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
