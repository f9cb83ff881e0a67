"""Tokenizers that give ids: bins and digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenized import fit, series, tokens

from tsprompt.backbones import Backbone
from tsprompt.errors import ConfigError
from tsprompt.tokenizers import Tokenizer, tokenizers
from tsprompt.tokenizers.bins import Bins
from tsprompt.tokenizers.digits import Digits

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
