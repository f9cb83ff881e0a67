"""Two inputs: how they are laid out, in which segments, which pairs there are, what is asked."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tsprompt import PromptClassifier
from tsprompt.backbones import load_backbone
from tsprompt.backbones.pair_scorer import pair_scorer
from tsprompt.contexts import Train, contexts
from tsprompt.data import Cases
from tsprompt.errors import ConfigError, InputError
from tsprompt.model.layout import layout, slots
from tsprompt.model.memory import need_of

CPU: dict[str, Any] = {"device": "cpu", "dtype": "float32"}
Make = Callable[..., str]
TEXTS = 'pairs:template="{series} [SEP] a {class}",texts=bada bade|fu|bimi'
CASES = 'pairs:template="{series} [SEP] {series}"'
MASKED = 'pairs:template="{series} fu {series} [MASK]"'


def choices(folder: str, **more: Any) -> dict[str, Any]:
    return {**CPU, "backbone": folder, "random_state": 0, **more}


def tokens_of(fitted: PromptClassifier, X: Any) -> Tensor:
    """(B, S, D) the tokens of cases."""
    prepared = fitted.parts_.preprocessing.transform(Cases(X))
    ((_, tokens),) = fitted.reader_.tokenise(fitted.readings_[0].tokenizer, prepared)
    return tokens[:, :, 0]


def ids_of(backbone: Any, text: str) -> list[int]:
    """The ids of a text, special tokens and all."""
    words = backbone.words
    kinds = {"[CLS]": words.cls, "[SEP]": words.sep, "[MASK]": words.mask}
    return [
        one
        for word in text.split()
        for one in ([kinds[word]] if word in kinds else words.encode(word))
    ]


def sentence(backbone: Any, *pieces: Any) -> Tensor:
    """(L, D) words and series one after the other."""
    return torch.cat(
        [
            backbone.embed(torch.tensor(ids_of(backbone, one))) if isinstance(one, str) else one
            for one in pieces
        ]
    )


# --- NSP-BERT ---


def test_a_class_is_the_chance_that_its_text_is_the_next_sentence(
    tiny_next: str, separable: Any
) -> None:
    """[CLS] x [SEP] text [SEP] with token types 0 and 1, by transformers; over the classes' sum."""
    from transformers import BertForNextSentencePrediction

    fitted = PromptClassifier("nsp", **choices(tiny_next, context=TEXTS))
    fitted.fit_zero_shot(separable.X, ["calm", "mild", "wild"])
    backbone = fitted.reader_.backbone
    model = BertForNextSentencePrediction.from_pretrained(tiny_next, dtype=torch.float32).eval()
    words = [backbone.words.encode(f"a {one}") for one in ("bada bade", "fu", "bimi")]
    assert len({len(one) for one in words}) > 1, "texts of different lengths"
    expected = []
    for series in tokens_of(fitted, separable.X_test):
        chances = []
        for ids in words:
            text = backbone.embed(torch.tensor(ids))
            row = sentence(backbone, "[CLS]", series, "[SEP]", text, "[SEP]")
            kinds = torch.tensor([0] * (2 + len(series)) + [1] * (len(ids) + 1))
            with torch.no_grad():
                said = model(inputs_embeds=row[None], token_type_ids=kinds[None]).logits
            chances.append(float(said.softmax(dim=1)[0, 0]))
        expected.append(np.array(chances) / sum(chances))
    assert np.ptp(expected, axis=0).max() > 0.01, "all cases look alike"
    np.testing.assert_allclose(fitted.predict_proba(separable.X_test), expected, atol=1e-4)
    assert fitted.costs_["trainable_parameters"] == 0


def test_the_second_segment_says_something_else_than_the_first(
    tiny_next: str, separable: Any
) -> None:
    """Without token types the answer would be another one."""
    fitted = PromptClassifier("nsp", **choices(tiny_next, context=TEXTS))
    fitted.fit(separable.X, separable.y)
    chances = fitted.predict_proba(separable.X_test)
    (reading,) = fitted.readings_
    backbone = fitted.reader_.backbone
    table = backbone.model.embeddings.token_type_embeddings.weight
    torch.testing.assert_close(backbone.second_segment, table[1] - table[0])
    backbone.__dict__["second_segment"] = torch.zeros_like(table[0])
    try:
        reading.context.met_segment = None
        assert not np.allclose(fitted.predict_proba(separable.X_test), chances, atol=1e-3)
    finally:
        del backbone.__dict__["second_segment"]


def test_the_text_may_stand_first(tiny_next: str, separable: Any) -> None:
    """The source's prefix: the series then is the second segment."""
    context = TEXTS.replace("{series} [SEP] a {class}", "a {class} [SEP] {series}")
    fitted = PromptClassifier("nsp", **choices(tiny_next, context=context))
    fitted.fit(separable.X, separable.y)
    (reading,) = fitted.readings_
    shown = [one.text for one in slots(fitted.fitted_, reading)]
    assert shown[:2] == ["[CLS]", "a"]
    assert shown[shown.index("[SEP]") + 1] == "x1"
    backbone = fitted.reader_.backbone
    series = tokens_of(fitted, separable.X_test)[0]
    row = sentence(backbone, "[CLS] a fu [SEP]", series, "[SEP]")
    row[-len(series) - 1 :] += backbone.second_segment
    state = backbone.run(row[None], (2,))[0][0, 0]
    seen = torch.from_numpy(fitted.transform(separable.X_test[:1])).unflatten(1, (3, 32))
    torch.testing.assert_close(seen[0, 1], state, atol=1e-5, rtol=1e-4)


# --- pairs of series ---


def test_each_query_is_paired_with_cases_of_every_class_in_turn(
    tiny_next: str, separable: Any
) -> None:
    context = CASES + ",per_class=2"
    fitted = PromptClassifier("nsp", **choices(tiny_next, context=context))
    fitted.fit(separable.X, separable.y)
    (reading,) = fitted.readings_
    own = fitted.reader_.introduce(reading)
    tokens = tokens_of(fitted, separable.X)[:, :, None]
    chosen = own.choose(tokens, np.arange(24), fitted.reader_.backbone)
    assert chosen.shape == (24, 6)
    assert (own.labels_.numpy()[chosen] == np.tile([0, 1, 2], 2)).all()
    assert (own.index_.numpy()[chosen] != np.arange(24)[:, None]).all(), "paired with itself"
    backbone = fitted.reader_.backbone
    seen = torch.from_numpy(fitted.transform(separable.X_test)).unflatten(1, (6, 32))
    query = tokens_of(fitted, separable.X_test)
    beside = own.choose(query[:, :, None], None, backbone)
    shelf = own.met_shelf.tokens[query.shape[1]][:, :, 0]
    for case, pair in ((0, 0), (3, 5), (14, 4)):
        row = sentence(backbone, "[CLS]", query[case], "[SEP]", shelf[beside[case, pair]], "[SEP]")
        row[len(query[case]) + 2 :] += backbone.second_segment
        state = backbone.run(row[None], (2,))[0][0, 0]
        torch.testing.assert_close(seen[case, pair], state, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("context", "rows"), [(TEXTS, 3), (CASES + ",per_class=2", 6)])
def test_the_memory_of_a_prediction_counts_all_rows_of_a_query(
    tiny_next: str, separable: Any, context: str, rows: int
) -> None:
    fitted = PromptClassifier("nsp", **choices(tiny_next, context=context))
    width = fitted.fit(separable.X, separable.y).transform(separable.X_test).shape[1]
    own = fitted.fitted_
    layers = own.readings[0].layers
    need = need_of(own.design, own.reader, layers, (9, 20, 2), 3, fits=False)
    assert need.width == width == rows * 32


def test_two_series_and_a_mask_are_judged_by_two_words(
    tiny: dict[str, Any], separable: Any
) -> None:
    """log P(same) / (P(same) + P(different)) at the mask, the mean over the pairs of a class."""
    fitted = PromptClassifier(
        "pairs",
        **tiny,
        context=MASKED + ",per_class=2",
        head="matching:scores=tied,words=a+b,fitted=false",
    ).fit(separable.X, separable.y)
    (reading,) = fitted.readings_
    own, backbone = fitted.reader_.introduce(reading), fitted.reader_.backbone
    query = tokens_of(fitted, separable.X_test)
    beside = own.choose(query[:, :, None], None, backbone)
    shelf = own.met_shelf.tokens[query.shape[1]][:, :, 0]
    words = backbone.embed(torch.tensor([backbone.words.id(one) for one in "ab"]))
    case, logs = 7, []
    for pair in beside[case]:
        row = sentence(backbone, "[CLS]", query[case], "fu", shelf[pair], "[MASK] [SEP]")
        state = backbone.run(row[None], (2,))[0][0, -2]
        scores = words @ state
        logs.append(float(functional.log_softmax(scores, dim=0)[0]))
    means = np.array(logs).reshape(2, 3).mean(axis=0)
    expected = np.exp(means) / np.exp(means).sum()
    np.testing.assert_allclose(fitted.predict_proba(separable.X_test)[case], expected, atol=1e-5)


def test_the_fit_of_pairs_becomes_chances_of_classes_by_hand(tiny_next: str) -> None:
    """Two classes, one pair each: P(fits) 0.8 and 0.4 become 2/3 and 1/3."""
    from tsprompt.heads import Lesson, heads

    head = heads.build("matching:fitted=false")

    class Scorer:
        size, weights_hash = 1, "none"
        vectors = torch.eye(2)

        def say(self, states: Tensor) -> Tensor:
            return states[..., 0]

        def scores(self, said: Tensor, ids: Tensor) -> Tensor:
            return said[:, ids]

    head.hear(Scorer(), ["a", "b"])  # type: ignore[attr-defined]
    features = torch.tensor([[math.log(0.8), math.log(0.4)]])
    head.fit(Lesson(features, np.array([0]), 2, seed=0))
    np.testing.assert_allclose(head.probabilities(features), [[2 / 3, 1 / 3]], atol=1e-6)


# --- a task of one's own: two series ---


@pytest.mark.parametrize("context", [CASES, MASKED])
def test_two_series_of_ones_own_are_judged(context: str, tiny_next: str, separable: Any) -> None:
    words = "matching:scores=tied,words=a+b" if context == MASKED else "matching:scores=next"
    fitted = PromptClassifier(
        "nsp", **choices(tiny_next, context=context, head=f"{words},fitted=false")
    ).fit(separable.X, separable.y)
    backbone, head = fitted.reader_.backbone, fitted.parts_.head
    first, second = separable.X_test[:5], separable.X_test[5:10]
    one, other = tokens_of(fitted, first), tokens_of(fitted, second)
    expected = []
    for x, a in zip(one, other, strict=True):
        middle, end = ("fu", "[MASK] [SEP]") if context == MASKED else ("[SEP]", "[SEP]")
        row = sentence(backbone, "[CLS]", x, middle, a, end)
        if context == CASES:
            row[len(x) + 2 :] += backbone.second_segment
        state = backbone.run(row[None], (2,))[0][0, -2 if context == MASKED else 0]
        expected.append(float(head.met_scorer.say(state).exp()))
    np.testing.assert_allclose(fitted.match(first, second), expected, atol=1e-5)
    assert not np.allclose(fitted.match(first, second), fitted.match(second, first), atol=1e-4)


def test_pairs_of_different_lengths_are_judged_one_by_one(tiny_next: str, ragged: Any) -> None:
    fitted = PromptClassifier("nsp", **choices(tiny_next, context=CASES))
    fitted.fit(ragged.X, ragged.y)
    first, second = ragged.X_test[:6], ragged.X_test[6:12]
    together = fitted.match(first, second)
    alone = [fitted.match([a], [b])[0] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    chances = fitted.predict_proba(ragged.X_test)
    each = np.concatenate([fitted.predict_proba([one]) for one in ragged.X_test])
    np.testing.assert_allclose(each, chances, atol=1e-4)


def test_a_model_that_judges_no_pairs_says_so(
    tiny: dict[str, Any], tiny_next: str, separable: Any
) -> None:
    X, y = separable.X, separable.y
    plain = PromptClassifier(**tiny).fit(X, y)
    with pytest.raises(ConfigError, match=r'judges no pairs; .*recipe="pairs"'):
        plain.match(X, X)
    texts = PromptClassifier("nsp", **choices(tiny_next, context=TEXTS)).fit(X, y)
    with pytest.raises(ConfigError, match=r"with \{series\} twice"):
        texts.match(X, X)
    cases = PromptClassifier("nsp", **choices(tiny_next, context=CASES)).fit(X, y)
    with pytest.raises(InputError, match="3 first cases and 2 second"):
        cases.match(X[:3], X[:2])


# --- models, and what does not go together ---


@pytest.mark.parametrize("kind", ["BertForNextSentencePrediction", "BertForPreTraining"])
@pytest.mark.parametrize("twin", ["", "random:", "shuffled:"])
def test_the_head_for_next_sentences_is_the_models_own(
    kind: str, twin: str, make_next: Make
) -> None:
    import transformers

    folder = make_next(kind)
    backbone = load_backbone(twin + folder, **CPU)
    scorer = pair_scorer(backbone, "next", 2)
    states = torch.randn(4, 2, 32, generator=torch.Generator().manual_seed(0))
    said = scorer.say(states)
    own = getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()
    relation = own.cls.seq_relationship if hasattr(own.cls, "seq_relationship") else own.cls
    with torch.no_grad():
        pooled = own.bert.pooler(states.flatten(0, 1)[:, None])
        expected = relation(pooled).log_softmax(dim=1)[:, 0].unflatten(0, (4, 2))
    assert torch.allclose(said, expected, atol=1e-5) == (twin == "")
    again = pickle.loads(pickle.dumps(scorer))
    torch.testing.assert_close(again.say(states), said)


def test_models_without_that_head_are_named(tiny_bert: str, make_mlm: Make, separable: Any) -> None:
    for folder in (tiny_bert, make_mlm()):
        with pytest.raises(ConfigError, match=r"lacks .*bert-base-uncased.*minilm have none"):
            PromptClassifier("nsp", **choices(folder)).fit(separable.X, separable.y)
    with pytest.raises(ConfigError, match=r"of the kind roberta have none"):
        pair_scorer(load_backbone(make_mlm("Roberta"), **CPU), "next", 2)


def test_segments_need_a_model_that_knows_two(make_mlm: Make, separable: Any) -> None:
    folder = make_mlm("Roberta", pad_token_id=1, max_position_embeddings=130, type_vocab_size=1)
    head = "matching:scores=tied,words=a+b"
    chosen = choices(folder, context=CASES.replace('{series}"', '{series} [MASK]"'), head=head)
    with pytest.raises(
        ConfigError, match=r"no second segment .* use a BERT, or a template without"
    ):
        PromptClassifier("pairs", **chosen).fit(separable.X, separable.y)
    plain = PromptClassifier("pairs", **choices(folder, context=MASKED, head=head))
    assert plain.fit(separable.X, separable.y).predict_proba(separable.X_test).shape == (15, 3)


def test_segments_that_are_added_elsewhere_are_none(backbone: Any) -> None:
    """MobileBERT adds them to states that are wider than its embeddings."""
    from torch import nn

    wide = nn.Module()
    wide.embeddings = nn.Module()
    wide.embeddings.token_type_embeddings = nn.Embedding(2, 2 * backbone.hidden_size)
    assert backbone.family.second_segment(wide) is not None
    assert backbone.second_segment is not None
    other = load_backbone(backbone.name, 1, **CPU)
    model, other.model = other.model, wide
    try:
        assert other.second_segment is None
    finally:
        other.model = model
        del other.__dict__["second_segment"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": MASKED}, r"of a next sentence, at \[CLS\], .* has a \[MASK\]; use head="),
        (
            {"head": "matching:scores=tied"},
            r"asks what the model says at \[MASK\], .* has no \[MASK\]; use head=",
        ),
        ({"context": "none"}, r"the head 'matching' judges pairs, .*context=\"pairs\""),
        ({"context": 'pairs:template="{series}"'}, r"needs \{series\} twice, or"),
        ({"context": 'pairs:template="{series} {series} {class}"'}, r"needs \{series\} twice, or"),
        (
            {"context": 'pairs:template="{series} [MASK] {series} [MASK]"'},
            r"more than one \[MASK\]",
        ),
        ({"context": CASES + ",texts=a|b|c"}, r"texts are for \{class\}"),
        ({"context": TEXTS.replace("|bimi", "")}, "for 2 classes, but there are 3"),
        ({"scope": "step"}, "has no meaning with scope"),
    ],
)
def test_contradictions_are_told(
    changes: dict[str, Any], message: str, tiny_next: str, separable: Any
) -> None:
    with pytest.raises(ConfigError, match=message):
        PromptClassifier("nsp", **choices(tiny_next, **changes)).fit(separable.X, separable.y)


def test_a_decoder_and_too_little_room_are_refused(
    make_family: Make, make_next: Make, separable: Any
) -> None:
    chosen = choices(make_family("gpt2"), head="matching:scores=tied,words=a+b", context=MASKED)
    with pytest.raises(ConfigError, match="is no encoder"):
        PromptClassifier("pairs", **chosen).fit(separable.X, separable.y)
    short = make_next(max_position_embeddings=5)
    chosen = choices(short, context='pairs:template="{series} bada bade [SEP] {series}"')
    with pytest.raises(ConfigError, match="two inputs take 13 positions"):
        PromptClassifier("nsp", **chosen).fit(separable.X, separable.y)


# --- the rest of a part ---


@pytest.mark.parametrize("context", [TEXTS, CASES + ",per_class=2"])
def test_it_is_saved_shown_and_counted(
    context: str, tiny_next: str, separable: Any, tmp_path: Path
) -> None:
    fitted = PromptClassifier("nsp", **choices(tiny_next, context=context, prompt="hard:length=3"))
    fitted.fit(separable.X, separable.y)
    before = fitted.reader_.tokens_run
    chances = fitted.predict_proba(separable.X_test)
    run = fitted.reader_.tokens_run - before
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(separable.X_test), chances)
    shown = slots(fitted.fitted_, fitted.readings_[0])
    steps = len([one for one in shown if one.text.startswith("x")])
    assert shown[0].kind == "answer"
    assert [one.text for one in shown].count("[SEP]") == 2
    assert layout(fitted.fitted_).positions == sum(one.tokens for one in shown)
    if context == TEXTS:
        words = sum(len(one) + 1 for one in (["bada", "bade"], ["fu"], ["bimi"]))
        ids = fitted.readings_[0].context.texts_
        assert run == 15 * (3 * (1 + 3 + steps + 1 + 1 + 1) + sum(map(len, ids)))
        assert layout(fitted.fitted_).features == 3 * 32
        assert words == 7
    else:
        assert run == 15 * 6 * (1 + 3 + steps + 1 + steps + 1)
        assert layout(fitted.fitted_).features == 6 * 32


def test_other_heads_see_the_states_of_all_pairs(tiny_next: str, separable: Any) -> None:
    fitted = PromptClassifier(
        "nsp", **choices(tiny_next, context=CASES, head="ridge", n_prompts=2)
    ).fit(separable.X, separable.y)
    assert fitted.transform(separable.X_test).shape == (15, 2 * 3 * 32)
    assert (fitted.predict(separable.X_test) == separable.y_test).mean() >= 0.8


def test_a_prompt_is_trained_by_how_pairs_fit(tiny_next: str, separable: Any) -> None:
    fitted = PromptClassifier(
        "nsp",
        **choices(tiny_next, context=CASES, prompt="soft:length=2", train="prompt"),
        tuner="gradient:epochs=2",
        head="matching:fitted=true",
    ).fit(separable.X, separable.y)
    assert fitted.report_["largest gradient at the prompt"] > 0


def test_words_of_a_template_must_be_in_the_vocabulary(tiny_next: str) -> None:
    context = contexts.build('pairs:template="{series} [SEP] {class} §"')
    with pytest.raises(ConfigError, match="can't spell '§'"):
        context.fit(
            load_backbone(tiny_next, **CPU),
            Train(["a", "b"], Cases(np.zeros((2, 5, 1), np.float32)), np.arange(2), seed=0),
        )
