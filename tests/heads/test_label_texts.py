"""Texts of several words: spans of masks, texts that are foretold, texts that are written."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.spoken import ONE_WORD, Spoken
from tsprompt.backbones.template import Template
from tsprompt.backbones.word_scores import word_scorer
from tsprompt.errors import ConfigError
from tsprompt.heads.free_text import FreeText, likeliest, naive_bayes
from tsprompt.heads.label_texts import LabelTexts, likelihoods, texts_of_classes
from tsprompt.heads.lesson import Lesson
from tsprompt.model.memory import need_of

TEXTS = "label-texts:scores=tied,words=3 4|5|7 8 9/10"
FAMILIES = ["bert", "gpt2", "bart", "t5"]
WRITERS = FAMILIES[1:]


@pytest.fixture
def folder_of(tiny_bert: str, make_family: Callable[..., str]) -> Callable[[str], str]:
    return lambda kind: tiny_bert if kind == "bert" else make_family(kind)


def loaded(folder: str) -> Any:
    return load_backbone(folder, device="cpu", dtype="float32")


def ids_of(backbone: Any, words: str) -> list[int]:
    return [int(backbone.words.id(one)) for one in words.split()]


# The answer


def test_masks_stand_side_by_side(backbone: Any) -> None:
    one = Template.from_order(np.array([0, -1, -1, -2, 1]), width=1)
    three = one.with_masks(3)
    assert three.length == one.length + 2
    assert (three.mask, three.masks) == (4, 3)
    assert three.prompt.tolist() == [1, 7]
    assert three.data.ravel().tolist() == [2, 3]
    tokens = torch.tensor([[ids_of(backbone, "3"), ids_of(backbone, "4")]])
    prompt = backbone.embed(torch.tensor(ids_of(backbone, "8 9")))
    filled = three.assemble(tokens, prompt, backbone)
    words = [backbone.nearest_words(filled[0, k][None])[0] for k in range(three.length)]
    spelled = [backbone.words.word(one) for one in words]
    assert spelled == ["[CLS]", "8", "3", "4", "[MASK]", "[MASK]", "[MASK]", "9", "[SEP]"]
    shown = three.words(tokens[0], ["8", "9"], backbone)
    assert [kind for kind, _ in shown].count("mask") == 3


def test_a_span_has_the_likelihood_of_transformers_own_model(tiny_mlm: str) -> None:
    """``sum of log P([MASK]_j = t_j | x)``, all masks at once; a short text has the first."""
    from transformers import AutoModelForMaskedLM

    backbone, texts = loaded(tiny_mlm), [[9, 40], [11]]
    words = backbone.words
    ids = torch.tensor([[words.cls, 20, words.mask, words.mask, words.sep]])
    states = backbone.run(backbone.embed(ids), (2,))[0][:, None, 2:4]
    found = likelihoods(states, texts, word_scorer(backbone, "model"), apart=False)
    model = AutoModelForMaskedLM.from_pretrained(tiny_mlm).eval()
    with torch.no_grad():
        chances = model(input_ids=ids).logits.log_softmax(dim=-1)[0]
    expected = torch.stack([chances[2, 9] + chances[3, 40], chances[2, 11]])
    torch.testing.assert_close(found[0, 0], expected, atol=1e-4, rtol=1e-4)


def foretold(backbone: Any, embeddings: torch.Tensor, text: list[int]) -> torch.Tensor:
    """The states that foretell each word of a text, each run anew from the start."""
    model = backbone.model
    with torch.no_grad():
        if backbone.family.causal:
            more = model.get_input_embeddings()(torch.tensor([text[:-1]], dtype=torch.long))
            given = torch.cat([embeddings, more.expand(len(embeddings), -1, -1)], dim=1)
            said = model(inputs_embeds=given, use_cache=False).last_hidden_state
            return said[:, embeddings.shape[1] - 1 :]
        ids = torch.tensor([[backbone.family.start, *text[:-1]]]).expand(len(embeddings), -1)
        return model(inputs_embeds=embeddings, decoder_input_ids=ids).last_hidden_state


@pytest.mark.parametrize("kind", WRITERS)
def test_each_word_of_a_text_is_foretold_from_those_before_it(
    kind: str, folder_of: Callable[[str], str]
) -> None:
    backbone = loaded(folder_of(kind))
    texts = ((30, 31, 32), (40,), (30, 50))
    asked = backbone.asked(Spoken(texts=texts))
    torch.manual_seed(0)
    given = torch.randn(2, 6, 32)
    template = Template.from_order(np.array([-1, -1, -1, -2]), width=1)
    said = asked.run(given, (1, asked.layers))[1][:, asked.answer(template)]
    expected = torch.cat([foretold(backbone, given, list(text)) for text in texts], dim=1)
    torch.testing.assert_close(said, expected, atol=1e-5, rtol=1e-4)
    # What was read, and the answer where nobody asks for more, are as before.
    plain = backbone.run(given, (backbone.layers,))[0]
    torch.testing.assert_close(asked.run(given, (asked.layers,))[0][:, :6], plain[:, :6])
    assert asked.positions == backbone.positions - 2
    assert backbone.family.spoken is ONE_WORD


@pytest.mark.parametrize("kind", WRITERS)
def test_words_are_written_one_behind_the_other(kind: str, folder_of: Callable[[str], str]) -> None:
    backbone = loaded(folder_of(kind))
    scorer = word_scorer(backbone, "tied")
    asked = backbone.asked(Spoken(writes=3, speak=lambda states: likeliest(scorer, states)))
    given = torch.randn(2, 6, 32)
    template = Template.from_order(np.array([-1, -1, -1, -2]), width=1)
    said = asked.run(given, (asked.layers,))[0][:, asked.answer(template)]
    for row in (0, 1):
        text: list[int] = []
        for _ in range(3):
            state = foretold(backbone, given[row : row + 1], [*text, 0])[:, -1]
            text.append(int(likeliest(scorer, state)))
        assert likeliest(scorer, said[row]).tolist() == text
    assert not set(text) & backbone.words.special


def test_gradients_flow_through_a_foretold_text(folder_of: Callable[[str], str]) -> None:
    asked = loaded(folder_of("gpt2")).asked(Spoken(texts=((30, 31), (40, 41, 42))))
    given = torch.randn(1, 5, 32, requires_grad=True)
    asked.run(given, (2,))[0][:, 5:].square().sum().backward()
    assert given.grad is not None
    assert (given.grad.abs().sum(dim=2) > 0).all()


def test_a_copy_answers_in_the_same_way(backbone: Any) -> None:
    asked = backbone.asked(Spoken(masks=3))
    assert asked.model is backbone.model
    assert not asked.holds(backbone)
    for again in (copy.deepcopy(asked), pickle.loads(pickle.dumps(asked))):
        assert again.family.spoken == asked.family.spoken
    assert backbone.asked(Spoken()) is backbone


# `label-texts`


def head_of(backbone: Any, **options: Any) -> LabelTexts:
    head = LabelTexts(scores="tied", **options)
    head.meet(backbone, classes=["a", "b"])
    return head


def test_the_mean_makes_long_texts_no_less_likely(backbone: Any) -> None:
    features = torch.randn(5, 2 * 32)
    total, mean = (
        head_of(backbone, words="3 4|7", how=how).say(features) for how in ("sum", "mean")
    )
    torch.testing.assert_close(mean[:, 0], total[:, 0] / 2)
    torch.testing.assert_close(mean[:, 1], total[:, 1])
    chances = (features.unflatten(1, (2, 32)) @ backbone.word_vectors.T).log_softmax(dim=-1)
    (three, four), (seven,) = ids_of(backbone, "3 4"), ids_of(backbone, "7")
    expected = torch.stack([chances[:, 0, three] + chances[:, 1, four], chances[:, 0, seven]], 1)
    torch.testing.assert_close(total, expected, atol=1e-4, rtol=1e-4)


def test_of_names_all_pieces_count(backbone: Any) -> None:
    words = backbone.words
    (calm,), (three,) = texts_of_classes(None, ["calm", "3"], words, "x")
    assert [words.word(one) for one in calm] == ["c", "##a", "##l", "##m"]
    assert [words.word(one) for one in three] == ["3"]
    for given, said in (("☃|3", "can't spell '☃'"), ("3 4|3 4", "give each class its own")):
        with pytest.raises(ConfigError, match=said):
            texts_of_classes(given, ["calm", "3"], words, "x")


@pytest.fixture(params=FAMILIES)
def choices(request: Any, folder_of: Callable[[str], str], tiny: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of a PromptClassifier, for each family of models."""
    own = {"backbone": folder_of(request.param), "tokenizer": "kernels:steps=8"}
    return {**tiny, **own, "readout": "mask"}


@pytest.mark.parametrize("head", [TEXTS, "free-text:scores=tied,length=3"])
def test_a_saved_model_says_the_same(
    head: str, choices: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    options = {**choices, "head": head}
    fitted = PromptClassifier(**options).fit(separable.X, separable.y)
    chances = fitted.predict_proba(separable.X_test)
    assert np.isfinite(chances).all()
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(separable.X_test), chances)
    count = fitted.reader_.backbone.family.spoken.read
    assert fitted.transform(separable.X_test).shape[1] == count * 32
    assert fitted.fitted_.design.head.asks.read == count


def test_the_memory_of_a_prediction_counts_all_states(
    folder_of: Callable[[str], str], tiny: dict[str, Any], separable: Any
) -> None:
    options = {**tiny, "backbone": folder_of("gpt2"), "readout": "mask", "head": TEXTS}
    fitted = PromptClassifier(**options).fit(separable.X, separable.y).fitted_
    layers = fitted.readings[0].layers
    need = need_of(fitted.design, fitted.reader, layers, (9, 20, 2), 2, fits=False)
    assert need.width == 7 * 32  # of the words 3 4, 5, 7 8 9 and 10


def test_zero_shot_it_takes_what_the_model_holds_likely(
    tiny: dict[str, Any], separable: Any
) -> None:
    options = {**tiny, "readout": "mask", "head": f"{TEXTS},fitted=false"}
    model = PromptClassifier(**options).fit_zero_shot(separable.X, ["calm", "mild", "wild"])
    assert np.isfinite(model.predict_proba(separable.X_test)).all()


def test_a_prompt_is_trained_through_texts(tiny: dict[str, Any], separable: Any) -> None:
    options = {**tiny, "readout": "mask", "head": TEXTS, "prompt": "soft"}
    fitted = PromptClassifier(**options, tuner="gradient:epochs=2,hidden=4")
    fitted.fit(separable.X, separable.y)
    assert fitted.report_["largest gradient at the prompt"] > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scope": "step"}, "an answer of several words"),
        ({"context": "demonstrations"}, "an answer of several words"),
        ({"readout": "pooled"}, "needs readout=.mask"),
    ],
)
def test_where_there_is_room_for_one_word_it_is_said(
    changes: dict[str, Any], said: str, tiny: dict[str, Any], separable: Any
) -> None:
    options = {**tiny, "readout": "mask", "head": TEXTS, **changes}
    with pytest.raises(ConfigError, match=said):
        PromptClassifier(**options).fit(separable.X, separable.y)


def test_without_layers_no_text_is_written(folder_of: Callable[[str], str]) -> None:
    with pytest.raises(ConfigError, match="no layers that could write"):
        loaded(f"none:{folder_of('gpt2')}").asked(Spoken(texts=((3, 4),)))


# `free-text`


def test_words_are_counted_for_classes() -> None:
    """Class 0 wrote word 0 three times and word 1 once, of five with one added to each of three
    columns: 4/7, 2/7, 1/7."""
    counts = torch.tensor([[3.0, 1, 0], [0, 2, 0]]).double()
    words, prior = naive_bayes(counts, torch.tensor([2.0, 1.0]).double(), 1.0)
    expected = torch.tensor([[4 / 7, 2 / 7, 1 / 7], [1 / 5, 3 / 5, 1 / 5]]).double()
    torch.testing.assert_close(words.exp(), expected)
    torch.testing.assert_close(prior.exp(), torch.tensor([3 / 5, 2 / 5]).double())


def test_what_is_written_tells_the_class_and_each_case_is_judged_without_itself(
    backbone: Any,
) -> None:
    head = FreeText(scores="tied", length=2)
    head.meet(backbone, classes=["a", "b"])
    first, second, once = ids_of(backbone, "17 23 29")
    written = torch.tensor([[first, first], [first, first], [second, second], [second, once]])
    features = 50 * backbone.word_vectors[written].flatten(1)
    assert head.texts(features).equal(written)
    head.fit(Lesson(features, np.array([0, 0, 1, 1]), 2, 0))
    assert head.words_[0][0] == "17"
    assert (head.probabilities(features).argmax(axis=1) == [0, 0, 1, 1]).all()
    # Without case 0, class 0 has 2 of its words and class 1 four, of none of these: by hand.
    judged = head.judged
    assert judged is not None
    own = math.log(3 / 6) * 2 + math.log(2 / 5)
    other = math.log(1 / 8) * 2 + math.log(3 / 5)
    expected = math.exp(own) / (math.exp(own) + math.exp(other))
    assert float(judged.chances[0, 0]) == pytest.approx(expected)
    assert head.validation_kind() == "leave-one-out"


def test_a_word_that_train_never_wrote_counts_as_others(backbone: Any) -> None:
    head = FreeText(scores="tied", length=1)
    head.meet(backbone, classes=["a", "b"])
    first, second, new = ids_of(backbone, "17 23 29")
    vectors = 50 * backbone.word_vectors
    head.fit(Lesson(vectors[[first, second]], np.array([0, 1]), 2, 0))
    assert np.isnan(head.validation_accuracy_)
    chances = head.probabilities(vectors[[new]])
    np.testing.assert_allclose(chances, [[0.5, 0.5]])
