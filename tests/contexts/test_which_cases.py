"""Which labelled cases stand beside a query: of every class, similar ones, never itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from shown_cases import Spy, chosen, make, problem

from tsprompt.backbones import Backbone
from tsprompt.data import Cases


@pytest.mark.parametrize("tokenizer", ["kernels", "patches", "bins", "digits"])
@pytest.mark.parametrize("count", [1, 2])
def test_each_query_sees_train_cases_of_every_class_and_never_itself(
    backbone: Backbone, tokenizer: str, count: int
) -> None:
    cases, labels = problem()
    spec = f"demonstrations:per_class={count},prompted=false"
    reader, reading = make(backbone, (cases, labels), spec, tokenizer=tokenizer)
    everyone = np.arange(len(cases))
    for shown in (
        chosen(reader, reading, cases, own=everyone),
        # Who comes back after the fit is known by what it looks like.
        chosen(reader, reading, cases),
    ):
        assert shown.shape == (24, 3 * count)
        assert not (shown == everyone[:, None]).any()
        assert (np.sort(labels[shown], axis=1) == np.repeat([0, 1, 2], count)).all()
        assert all(len(set(row)) == 3 * count for row in shown.tolist())


def test_the_pool_is_drawn_from_train_and_holds_so_many_of_each_class(backbone: Backbone) -> None:
    cases, labels = problem(30)
    _, reading = make(backbone, (cases, labels), "demonstrations:pool=4")
    context: Any = reading.context
    assert np.bincount(labels[context.index_.numpy()]).tolist() == [4, 4, 4]
    assert torch.equal(context.labels_, torch.from_numpy(labels)[context.index_])
    kept = np.concatenate([cases[int(i)] for i in context.index_])
    assert np.array_equal(context.values_.numpy(), kept)


def test_those_that_are_similar_are_shown(backbone: Backbone) -> None:
    """The most similar half, and with a small share the one most similar case of each class."""
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 16)
    shapes = np.stack([np.sin(6 * time), np.sign(np.sin(25 * time))])
    kind = np.arange(24) % 2
    labels = np.arange(24) // 2 % 3
    values = shapes[kind] + 0.02 * rng.standard_normal((24, 16))
    train = Cases(values[:, :, None].astype(np.float32)), labels
    query = Cases((shapes + 0.02 * rng.standard_normal((2, 16)))[:, :, None].astype(np.float32))
    reader, reading = make(backbone, train)
    shown = chosen(reader, reading, query)
    assert (kind[shown] == [[0] * 3, [1] * 3]).all()
    anyone, far = make(backbone, train, "demonstrations:share=1.0"), set()
    for member in range(8):
        anyone = make(backbone, train, "demonstrations:share=1.0", member=member)
        far |= set((kind[chosen(*anyone, query)] != [[0] * 3, [1] * 3]).ravel().tolist())
    assert far == {True, False}

    noise = 0.01 * rng.standard_normal((1, 16, 1)).astype(np.float32)
    twin = Cases(train[0]._block[[5]] + noise)  # type: ignore[index]
    nearest = make(backbone, train, "demonstrations:share=0.001")
    assert 5 in chosen(*nearest, twin)


def test_each_member_draws_anew_and_the_same_again(backbone: Backbone) -> None:
    train = problem(60)
    draws = [chosen(*make(backbone, train, member=k), train[0]) for k in (0, 1, 0)]
    assert np.array_equal(draws[0], draws[2])
    assert (draws[0] != draws[1]).mean() > 0.3
    # One member doesn't show the same few cases to all.
    assert len(np.unique(draws[0])) > 12


def test_equal_cases_of_train_are_read_apart_where_they_see_each_other(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a class are alike: what is left is not to show a case itself."""
    values = np.repeat(np.random.default_rng(0).random((3, 8, 1)), 3, axis=0).astype(np.float32)
    labels = np.repeat(np.arange(3), 3)
    reader, reading = make(backbone, (Cases(values), labels))
    everyone = np.arange(9)
    shown = chosen(reader, reading, Cases(values), own=everyone)
    assert not (shown == everyone[:, None]).any()
    spy = Spy(backbone, monkeypatch)
    reader.fit_features(reading, Cases(values), np.random.default_rng(0))
    pairs = {(i // 3, tuple(row)) for i, row in enumerate(shown.tolist())}
    assert len(spy.rows) == len(pairs) > 3
