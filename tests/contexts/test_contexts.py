"""Labelled cases beside the query: which they are, where they stand, and that they matter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone, BatchSize, load_backbone
from tsprompt.backbones.vocabulary import find_word, named_or_drawn
from tsprompt.contexts import NO_CONTEXT, Context, contexts
from tsprompt.contexts.demonstrations import Demonstrations
from tsprompt.data import Cases
from tsprompt.errors import ConfigError, InputError, TspromptNotice
from tsprompt.heads.lesson import Lesson
from tsprompt.heads.mlp import MLP
from tsprompt.heads.ridge import Ridge
from tsprompt.model.layout import layout, slots
from tsprompt.prompts import prompts
from tsprompt.reading.reader import Reader, Reading
from tsprompt.readouts import readouts
from tsprompt.strategies import strategies
from tsprompt.tokenizers import tokenizers
from tsprompt.tuners import Problem

LAYERS = (2,)
CLASSES = ["calm", "mild", "wild"]


def problem(count: int = 24, seed: int = 0, timesteps: int = 12) -> tuple[Cases, np.ndarray]:
    """Three classes of noisy waves, each with a phase of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    time = np.linspace(0, 1, timesteps)
    values = np.sin(2 * np.pi * ((labels[:, None] + 1) * time + rng.random((count, 1))))
    values += 0.1 * rng.standard_normal(values.shape)
    return Cases(values[:, :, None].astype(np.float32)), labels


def make(
    backbone: Backbone,
    train: tuple[Cases, np.ndarray],
    context: str = "demonstrations",
    *,
    tokenizer: str = "kernels",
    strategy: str = "shared",
    prompt: str = "hard:length=3",
    member: int = 0,
) -> tuple[Reader, Reading]:
    """A reader, and a reading with a fitted context that is ready."""
    cases, labels = train
    plan, model = strategies.build(strategy), prompts.build(prompt)
    length = model.length or 0
    reader = Reader(backbone, plan, length, "series", BatchSize(4096))
    chosen = contexts.build(context)
    chosen.fit(backbone, classes=CLASSES, train=(cases, labels), seed=0)
    fitted = tokenizers.build(tokenizer)
    room = reader.room(fitted.width(cases.n_features), chosen)
    fitted.fit(cases, backbone, max_steps=room, rng=np.random.default_rng(0))
    own = chosen.drawn(cases, labels, np.random.default_rng(10 + member))
    filled = plan.slots(length, fitted.max_steps_)
    drawn = model.draw(filled, backbone, np.random.default_rng(1))
    reading = Reading(fitted, drawn, readouts.build("mask"), LAYERS, context=own)
    reader.introduce(reading)
    return reader, reading


def tokens_of(reader: Reader, reading: Reading, cases: Cases) -> Tensor:
    ((_, tokens),) = reader.tokenise(reading.tokenizer, cases)
    return tokens


def chosen(
    reader: Reader, reading: Reading, cases: Cases, own: np.ndarray | None = None
) -> np.ndarray:
    """(B, K) positions in train of what is shown beside each case."""
    context: Any = reading.context
    tokens = tokens_of(reader, reading, cases)
    return context.index_.numpy()[context.choose(tokens, own, reader.backbone)]


class Spy:
    """Keeps what a backbone is given."""

    def __init__(self, backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[Tensor] = []
        original = backbone.run

        def run(embeddings: Tensor, *more: Any, **how: Any) -> list[Tensor]:
            self.rows += list(embeddings.detach())
            return original(embeddings, *more, **how)

        monkeypatch.setattr(backbone, "run", run)


# --- which cases ---


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


# --- what the model reads ---


@pytest.mark.parametrize("place", ["after", "before"])
@pytest.mark.parametrize("prompted", [True, False])
@pytest.mark.parametrize("strategy", ["shared", "per-step"])
def test_a_demonstration_is_the_template_with_its_word_at_the_mask(
    backbone: Backbone,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    prompted: bool,
    strategy: str,
) -> None:
    train = problem()
    spec = f"demonstrations:place={place},prompted={str(prompted).lower()}"
    prompt = "hard:length=3" if strategy == "shared" else "hard:length=1"
    reader, reading = make(backbone, train, spec, prompt=prompt, strategy=strategy)
    query = Cases(train[0]._block[:1] + 0.3)  # type: ignore[index]
    shown = chosen(reader, reading, query)[0]
    tokens = tokens_of(reader, reading, query)
    known = tokens_of(reader, reading, train[0])
    spy = Spy(backbone, monkeypatch)
    context: Any = reading.context
    data, mask = reader.hidden(tokens, reading.prompt, LAYERS, context)

    words = backbone.words
    vectors = reading.prompt.fill(backbone)

    def lay(case: Tensor, middle: int, *, bare: bool = False) -> Tensor:
        template = reader.strategy.template(
            len(case), 1, 0 if bare else len(vectors), reading.prompt if not bare else _bare()
        )
        filled = template.assemble(case[None], vectors[: 0 if bare else None], backbone)[0]
        filled[template.mask] = backbone.word_vectors[middle]
        return filled

    own = lay(tokens[0], words.mask)
    tail = [
        lay(known[i], int(context.ids_[train[1][i]]), bare=not prompted)[1:] for i in shown.tolist()
    ]
    parts = [own, *tail] if place == "after" else [own[:1], *tail, own[1:]]
    (read,) = spy.rows
    torch.testing.assert_close(read, torch.cat(parts))

    # What is read of it is the query's own.
    (state,) = backbone.run(read[None], LAYERS)
    shift = 0 if place == "after" else sum(map(len, tail))
    at = len(own) - 2 + shift
    torch.testing.assert_close(read[at], backbone.word_vectors[words.mask])
    torch.testing.assert_close(mask[0, 0, 0], state[0, at])
    assert data.shape == (1, 1, 12, backbone.hidden_size)


def _bare() -> Any:
    from tsprompt.backbones.template import Prompt

    return Prompt(None)


@pytest.mark.parametrize("context", ["demonstrations", "none"])
def test_another_demonstration_changes_the_answer(backbone: Backbone, context: str) -> None:
    train = problem()
    reader, reading = make(backbone, train, context)
    query = Cases(train[0]._block[:1] + 0.3)  # type: ignore[index]
    before = reader.features(reading, query)
    if context == "none":
        assert np.array_equal(before, reader.features(reading, query))
        return
    shown = chosen(reader, reading, query)[0]
    idle = next(i for i in range(24) if i not in shown)
    own: Any = reading.context

    def altered(position: int) -> Tensor:
        """The answer with other tokens for this case of train."""
        number = int((own.index_ == position).nonzero())
        steps = int(own.met_shelf.steps[number])
        kept = own.met_shelf.tokens[steps].clone()
        own.met_shelf.tokens[steps][int(own.met_shelf._row[number])] *= -1
        out = reader.features(reading, query)
        own.met_shelf.tokens[steps] = kept
        return out

    assert torch.equal(altered(idle), before)
    for position in shown.tolist():
        assert not torch.allclose(altered(position), before, atol=1e-3)
    own.ids_ = own.ids_.flip(0)
    assert not torch.allclose(reader.features(reading, query), before, atol=1e-3)


def test_features_do_not_depend_on_the_company(backbone: Backbone) -> None:
    cases, labels = problem()
    ragged = Cases([one[: 7 + 3 * (i % 3 == 0) + (i % 2)] for i, one in enumerate(cases)])
    for pool in (cases, ragged):
        reader, reading = make(backbone, (pool, labels), "demonstrations:per_class=2")
        other = Cases([one[:-1] + 0.2 for one in pool])
        together = reader.features(reading, other)
        alone = torch.cat([reader.features(reading, Cases([one])) for one in other])
        torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)


# --- training a prompt among demonstrations ---


def test_a_prompt_is_trained_with_what_it_is_read_with(backbone: Backbone) -> None:
    """`hidden` says what `fit_features` said of the same cases of train."""
    cases, labels = problem()
    reader, reading = make(backbone, (cases, labels))
    said = reader.fit_features(reading, cases, np.random.default_rng(0))
    tokens = tokens_of(reader, reading, cases)
    some = np.array([7, 2, 19])
    _, mask = reader.hidden(tokens[some], reading.prompt, LAYERS, reading.context, some)
    torch.testing.assert_close(mask.flatten(1), said[some], atol=1e-5, rtol=1e-4)


def test_the_gradient_reaches_the_prompt_through_the_demonstrations_too(
    backbone: Backbone,
) -> None:
    """Only the prompts around the demonstrations are left to learn here: the query's is cut off."""
    train = problem()
    reader, reading = make(backbone, train)
    tokens = tokens_of(reader, reading, train[0])[:2]
    vectors = reading.prompt.fill(backbone).clone().requires_grad_(True)
    place = np.zeros(2, np.intp)
    beside = reading.context.choose(tokens, np.array([0, 1]), backbone)
    layers = {"context": reading.context, "beside": beside}
    _, mask = reader.read(tokens, place, reading.prompt, vectors, LAYERS, **layers)
    (full,) = torch.autograd.grad(mask.square().sum(), vectors)

    bare = make(backbone, train, "demonstrations:prompted=false")[1].context
    other = {"context": bare, "beside": beside}
    _, mask = reader.read(tokens, place, reading.prompt, vectors, LAYERS, **other)
    (part,) = torch.autograd.grad(mask.square().sum(), vectors)
    assert full.norm() > 0
    assert not torch.allclose(full, part, rtol=1e-2)


def test_gradient_tuning_never_shows_a_case_itself(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Any = contexts["demonstrations"]
    asked: list[np.ndarray] = []
    original = kind.choose

    def choose(self: Any, tokens: Tensor, own: Any, backbone: Backbone) -> np.ndarray:
        numbers: np.ndarray = original(self, tokens, own, backbone)
        assert own is not None
        assert not (self.index_.numpy()[numbers] == own[:, None]).any()
        asked.append(own)
        return numbers

    monkeypatch.setattr(kind, "choose", choose)
    fitted = PromptClassifier(
        **tiny,
        context="demonstrations",
        prompt="gru:straight_through=true,hidden=8,length=4",
        tuner="gradient:epochs=2,hidden=8",
        readout="mask",
    ).fit(separable.X, separable.y)
    assert len(asked) > 2
    assert fitted.report_["largest gradient at the prompt"] > 0


# --- cases that are validated on ---


@pytest.mark.parametrize("tuner", ["none", "search:draws=2", "gradient:epochs=1,hidden=4"])
def test_what_is_validated_on_is_shown_to_nobody(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch, tuner: str
) -> None:
    """Else a held-out case would take part in what is learned from the others."""
    held: list[np.ndarray] = []
    split, held_out = Problem.split, MLP.held_out

    def spy_split(self: Problem, *given: Any) -> Any:
        both = split(self, *given)
        held.append(both[1])
        return both

    def spy_held_out(self: MLP, *given: Any) -> Any:
        said = held_out(self, *given)
        held.append(said[2])
        return said

    monkeypatch.setattr(Problem, "split", spy_split)
    monkeypatch.setattr(MLP, "held_out", spy_held_out)
    fitted = PromptClassifier(
        **{**tiny, "n_prompts": 2},
        tokenizer="kernels:steps=4",
        context="demonstrations:prompted=false",
        prompt="gru:straight_through=true,hidden=8,length=4"
        if "grad" in tuner
        else "hard:length=4",
        tuner=tuner,
        readout="mask",
        head="mlp:epochs=2",
    ).fit(separable.X, separable.y)
    shown = {int(i) for one in fitted.readings_ for i in one.context.index_}  # type: ignore[attr-defined]
    assert len(shown) == 18
    assert held
    assert all(len(one) == 6 and not shown & set(one.tolist()) for one in held)
    assert fitted.report_["development sample, held out of train"] == 6
    assert fitted.parts_.validation_kind().startswith("development sample")


def test_a_head_that_holds_nothing_out_learns_from_all_of_train(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    fit = Ridge.fit

    def spy(self: Ridge, lesson: Lesson) -> Any:
        sizes.append(len(lesson.features))
        return fit(self, lesson)

    monkeypatch.setattr(Ridge, "fit", spy)

    def fitted(tuner: str, head: str = "ridge") -> PromptClassifier:
        return PromptClassifier(
            **tiny,
            train="tuning-free" if tuner == "none" else "prompt",
            tokenizer="kernels:steps=4",
            context="demonstrations:prompted=false",
            prompt="gru:straight_through=true,hidden=8,length=4",
            tuner=tuner,
            readout="mask",
            head=head,
        ).fit(separable.X, separable.y)

    trained, drawn = fitted("gradient:epochs=1,hidden=4"), fitted("none")
    assert sizes == [24, 24]
    assert len(trained.readings_[0].context.index_) == 18  # type: ignore[attr-defined]
    assert len(drawn.readings_[0].context.index_) == 24  # type: ignore[attr-defined]
    # One case is left out after the other, and all may be shown: that can't be independent.
    kind = drawn.parts_.validation_kind()
    assert kind == "leave-one-out, but cases left out stand with their label beside others"
    nothing = fitted("none", "label-words:scores=tied,fitted=false,calibrate=false")
    assert nothing.parts_.validation_kind() == "train, from which nothing was learned"


def test_of_a_development_sample_nothing_is_shown(tiny: dict[str, Any], separable: Any) -> None:
    options = {**tiny, "tokenizer": "kernels:steps=4", "context": "demonstrations"}
    fitted = PromptClassifier(**options, head="mlp:epochs=2").fit(
        separable.X, separable.y, development=(separable.X_test, separable.y_test)
    )
    context: Any = fitted.readings_[0].context
    assert sorted(context.index_.tolist()) == list(range(24))
    assert "development sample, held out of train" not in fitted.report_


# --- other families ---


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


# --- room ---


def test_steps_shrink_until_query_and_demonstrations_fit(
    tiny: dict[str, Any], separable: Any
) -> None:
    plain = PromptClassifier(**tiny, prompt="hard:length=4").fit(separable.X, separable.y)
    with pytest.warns(TspromptNotice, match="steps are patches"):
        shown = PromptClassifier(
            **tiny, prompt="hard:length=4", context="demonstrations:per_class=2"
        ).fit(separable.X, separable.y)
    positions = shown.reader_.backbone.positions
    assert layout(plain.fitted_).steps == 20
    assert layout(shown.fitted_).steps == 10  # patches of two timesteps
    used = layout(shown.fitted_).positions
    assert used == 7 * (4 + 10 + 3) - 6 <= positions < 7 * (4 + 20 + 3) - 6
    with pytest.warns(TspromptNotice, match="far shorter or longer"):
        chances = shown.predict_proba(np.concatenate([separable.X] * 3, axis=1))
    assert np.isfinite(chances).all()


def test_fewer_are_shown_where_a_case_would_have_too_few_steps(backbone: Backbone) -> None:
    train = problem(30)
    _, reading = make(backbone, train, "demonstrations:per_class=4")
    _, kept = make(backbone, train, "demonstrations:per_class=4,least_steps=8")
    shown: list[Any] = [reading.context, kept.context]
    assert [one.shown_ for one in shown] == [4, 2]
    assert [one.tokenizer.max_steps_ for one in (reading, kept)] == [4, 12]
    # No class can show more than it has besides the query.
    _, few = make(backbone, problem(9), "demonstrations:per_class=4")
    assert few.context.shown_ == 2  # type: ignore[attr-defined]


def test_too_many_classes_are_told_with_their_number(tiny: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.random((60, 12, 1)), np.repeat(np.arange(30), 2)
    with pytest.raises(ConfigError, match=r"one of each of 30 classes take .* has 128"):
        PromptClassifier(**tiny, context="demonstrations").fit(X, y)


def test_a_class_of_one_case_has_none_to_show_itself(tiny: dict[str, Any]) -> None:
    X, y = np.random.default_rng(0).random((5, 12, 1)), np.array(list("aabbc"))
    with pytest.raises(InputError, match="class c there are fewer than 2 training"):
        PromptClassifier(**tiny, context="demonstrations").fit(X, y)
    # Of two cases the head holds one out.
    X, y = np.random.default_rng(0).random((6, 12, 1)), np.array(list("aaabbb"))
    options = {**tiny, "context": "demonstrations", "head": "mlp:epochs=2"}
    PromptClassifier(**options).fit(X, y)
    with pytest.raises(InputError, match="class b there are fewer than 2 training"):
        PromptClassifier(**options).fit(X[:5], y[:5])


@pytest.mark.parametrize("context", ["demonstrations", "colours"])
def test_steps_read_alone_have_no_context(
    tiny: dict[str, Any], separable: Any, context: str
) -> None:
    with pytest.raises(ConfigError, match=f'context="{context}" has no meaning with scope="step"'):
        PromptClassifier(**tiny, context=context, scope="step").fit(separable.X, separable.y)


# --- words ---


def test_classes_are_told_by_their_names_where_these_are_words(backbone: Backbone) -> None:
    words = backbone.words
    plain = words.word(words.plain[40])
    ids = named_or_drawn(["1", plain.upper(), "no such"], backbone, np.random.default_rng(0))
    assert [words.word(one) for one in ids[:2]] == ["1", plain]
    assert ids[2] in words.plain
    assert len(set(ids)) == 3
    assert named_or_drawn(["a", "A"], backbone, np.random.default_rng(0))[0] == words.id("a")
    assert find_word("[MASK]", backbone) is None


def test_words_can_be_given(tiny: dict[str, Any], separable: Any) -> None:
    def fit(words: str, context: str = "demonstrations:prompted=false,words=") -> PromptClassifier:
        return PromptClassifier(**tiny, context=context + words).fit(separable.X, separable.y)

    fitted = fit('a+"7"+b')
    shown = [
        slot.text for slot in slots(fitted.fitted_, fitted.readings_[0]) if slot.kind == "context"
    ]
    assert sorted(shown) == ["7", "a", "b"]
    with pytest.raises(ConfigError, match="2 words for 3 classes"):
        fit("a+b")
    with pytest.raises(ConfigError, match="'nosuch' is not one word"):
        fit("a+b+nosuch")
    with pytest.raises(ConfigError, match="same word twice"):
        fit("a+b+a")


def test_the_template_shows_the_demonstrations(tiny: dict[str, Any], separable: Any) -> None:
    fitted = PromptClassifier(
        **tiny, context="demonstrations:prompted=false", prompt="hard:length=2"
    ).fit(separable.X, separable.y)
    shown = [slot.text for slot in slots(fitted.fitted_, fitted.readings_[0])]
    steps = layout(fitted.fitted_).steps
    assert shown[:2] == ["[CLS]", shown[1]]
    assert shown.count("[SEP]") == 4
    assert shown.count("[MASK]") == 1
    for letter in "abc":
        assert f"{letter}1" in shown
        assert f"{letter}{steps}" in shown
    assert layout(fitted.fitted_).positions == len(shown)


# --- a whole classifier ---


@pytest.fixture
def quiet() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        yield


@pytest.mark.usefixtures("quiet")
def test_ragged_cases_are_saved_with_what_they_show(
    tiny: dict[str, Any], ragged: Any, tmp_path: Path
) -> None:
    fitted = PromptClassifier(**tiny, recipe="demonstrations").fit(ragged.X, ragged.y)
    chances = fitted.predict_proba(ragged.X_test)
    loaded = PromptClassifier.load(fitted.save(tmp_path / "model"), device="cpu")
    assert np.array_equal(loaded.predict_proba(ragged.X_test), chances)
    assert fitted.score(ragged.X, ragged.y) == fitted.scores_["train_accuracy"]


def test_without_a_context_nothing_is_beside(backbone: Backbone) -> None:
    assert isinstance(NO_CONTEXT, Context)
    assert NO_CONTEXT.choose(torch.zeros(3, 2, 1, 4), None, backbone).shape == (3, 0)
    assert NO_CONTEXT.word_ids is None


# --- in-context: nothing is fitted ---


def copied(embeddings: Tensor, backbone: Backbone) -> Tensor:
    """The state of an ideal reader: at the mask, the word of the example most like the query.

    It knows nothing but what it is given: rows (b, L, D) of cases that `[SEP]` ends, each a series
    and a word, or the mask.
    """
    special = backbone.word_vectors[[backbone.words.sep, backbone.words.mask]]
    out = torch.zeros_like(embeddings)
    for row, state in zip(embeddings, out, strict=True):
        ends = (row == special[0]).all(dim=1).nonzero().ravel().tolist()
        masked = int((row == special[1]).all(dim=1).nonzero())
        starts = [1, *[end + 1 for end in ends[:-1]]]
        means = {end - 1: row[start : end - 1] for start, end in zip(starts, ends, strict=True)}
        query = means.pop(masked)
        near = min(means, key=lambda at: float((means[at] - query).square().sum()))
        state[masked] = torch.nn.functional.normalize(row[near], dim=0)
    return out


@pytest.mark.usefixtures("quiet")
def test_in_context_tells_a_reader_all_it_needs_and_fits_nothing(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Backbone, embeddings: Tensor, layers: Any, deep: Any = None) -> list[Tensor]:
        return [copied(embeddings, self)] * len(layers)

    monkeypatch.setattr(Backbone, "run", run)
    fitted = PromptClassifier(**tiny, recipe="in-context").fit(separable.X, separable.y)
    assert fitted.score(separable.X_test, separable.y_test) >= 0.9
    assert fitted.costs_["trainable_parameters"] == 0
    # With other labels for the same series, it gives the other labels.
    turned = {"calm": "mild", "mild": "wild", "wild": "calm"}
    y = np.array([turned[one] for one in separable.y])
    other = PromptClassifier(**tiny, recipe="in-context").fit(separable.X, y)
    expected = [turned[one] for one in fitted.predict(separable.X_test)]
    assert (other.predict(separable.X_test) == expected).mean() >= 0.8


@pytest.mark.usefixtures("quiet")
def test_the_head_takes_the_words_of_the_context(tiny: dict[str, Any], separable: Any) -> None:
    for words in ("", ",words=a|b|f"):
        fitted = PromptClassifier(
            **tiny, recipe="in-context", head=f"label-words:scores=tied,fitted=false{words}"
        ).fit(separable.X, separable.y)
        (head,) = fitted.parts_.combination.heads_
        (reading,) = fitted.readings_
        assert reading.context.word_ids is not None
        assert [[one] for one in reading.context.word_ids.tolist()] == head.ids_  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="give words to the head alone"):
        PromptClassifier(
            **tiny,
            recipe="in-context",
            context="demonstrations:words=a+b+d",
            head="label-words:scores=tied,words=a|b|f",
        ).fit(separable.X, separable.y)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("place", ["after", "before"])
def test_as_many_tokens_are_counted_as_are_read(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    cases, labels = problem()
    ragged = Cases([one[: 8 + i % 3] for i, one in enumerate(cases)])
    for context in (f"demonstrations:place={place}", "colours:segments=3"):
        with monkeypatch.context() as patch:
            reader, reading = make(backbone, (ragged, labels), context)
            spy = Spy(backbone, patch)
            reader.features(reading, ragged)
            assert reader.tokens_run == sum(map(len, spy.rows)) > 0


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("recipe", ["demonstrations", "in-context", "cpt"])
def test_odd_cases_are_read_too(tiny: dict[str, Any], ragged: Any, recipe: str) -> None:
    """All alike; of one timestep; three times as long as any in train; by a model of no layers."""
    X, y = np.full((6, 9, 2), 3.0), np.array([0, 1] * 3)
    alike = PromptClassifier(**tiny, recipe=recipe).fit(X, y)
    assert np.isfinite(alike.predict_proba(X * 2 + 1)).all()
    plain = {**tiny, "backbone": f"none:{tiny['backbone']}"}
    for options in (tiny, plain):
        fitted = PromptClassifier(**options, recipe=recipe).fit(ragged.X, ragged.y)
        odd = [ragged.X_test[0][:1], np.concatenate([ragged.X_test[0]] * 3)]
        together = fitted.predict_proba(odd)
        alone = np.concatenate([fitted.predict_proba([one]) for one in odd])
        np.testing.assert_allclose(alone, together, atol=1e-4)
