"""Labelled cases beside the query in decoders and encoder-decoders."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from shown_cases import LAYERS, Spy, make, problem

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.contexts.demonstrations import Demonstrations
from tsprompt.errors import ConfigError
from tsprompt.model.layout import slots


@pytest.mark.parametrize(
    ("kind", "place"),
    [("bart", "after"), ("bart", "before"), ("t5", "after"), ("t5", "before"), ("gpt2", "before")],
)
def test_the_answer_is_read_behind_all_that_was_shown(
    kind: str, place: str, make_family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load_backbone(make_family(kind), device="cpu", dtype="float32")
    cases, labels = problem()
    reader, reading = make(backbone, (cases, labels), f"demonstrations:place={place}")
    spy, run = Spy(backbone, monkeypatch), backbone.run
    said = reader.features(reading, cases, "test")
    last = torch.stack([run(row[None], LAYERS)[0][0, -1] for row in spy.rows[: len(cases)]])
    assert said.shape == last.shape
    # Rows of one length are read together, in their order: there is but one length here.
    torch.testing.assert_close(said, last, rtol=1e-4, atol=1e-5)


def test_a_decoder_is_shown_words_where_it_will_be_asked_for_one(
    make_family: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load_backbone(make_family("gpt2"), device="cpu", dtype="float32")
    cases, labels = problem()
    spec = "demonstrations:place=before,prompted=false"
    reader, reading = make(backbone, (cases, labels), spec)
    spy = Spy(backbone, monkeypatch)
    reader.features(reading, cases, "test")
    row, context = spy.rows[0], cast(Demonstrations, reading.context)
    end = backbone.embed(torch.tensor([backbone.words.sep]))[0]
    words = backbone.embed(context.ids_)
    for word in words:
        (at,) = (row == word).all(dim=1).nonzero()[:, 0].tolist()
        assert torch.equal(row[at - 2 : at], torch.stack([end, end]))
    assert torch.equal(row[-2:], torch.stack([end, end]))
    query = [("cls", "b"), ("data", "x1"), ("frame", "e"), ("answer", "e")]
    kinds = [kind for kind, _ in context.shown(query, query, backbone)]
    each = ["data", "frame", "frame", "context"]
    assert kinds == ["cls", *each, *each, *each, "data", "frame", "answer"]


def test_what_stands_behind_the_query_is_no_help_to_a_decoder(
    make_family: Any, tiny: dict[str, Any], separable: Any
) -> None:
    options = {**tiny, "backbone": make_family("gpt2"), "tokenizer": "kernels:steps=4"}
    with pytest.raises(ConfigError, match="answers before it comes to what stands after"):
        PromptClassifier("demonstrations", **options).fit(separable.X, separable.y)
    PromptClassifier("demonstrations", **options, context="demonstrations:place=before").fit(
        separable.X, separable.y
    )


@pytest.mark.parametrize("place", ["after", "before"])
def test_an_encoder_decoder_shows_its_answer_once_and_last(
    place: str, make_family: Any, tiny: dict[str, Any], separable: Any
) -> None:
    options = {**tiny, "backbone": make_family("bart"), "tokenizer": "kernels:steps=3"}
    context = f"demonstrations:place={place},prompted=false"
    fitted = PromptClassifier("demonstrations", **options, context=context)
    fitted.fit(separable.X, separable.y)
    kinds = [slot.kind for slot in slots(fitted.fitted_, fitted.readings_[0])]
    assert kinds.count("answer") == 1
    assert kinds[-1] == "answer"
    assert kinds.count("context") == 3
    assert kinds.count("frame") == 1
