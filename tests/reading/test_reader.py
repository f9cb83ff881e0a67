"""Reading: each distinct row is run once, and how the work is cut up changes nothing."""

from __future__ import annotations

import dataclasses
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tsprompt import PromptClassifier, progress
from tsprompt.backbones import Backbone, BatchSize, batches
from tsprompt.data import Cases
from tsprompt.errors import TspromptError, TspromptNotice
from tsprompt.prompts import prompts
from tsprompt.reading import together
from tsprompt.reading.distinct import Distinct
from tsprompt.reading.passes import Pass
from tsprompt.reading.reader import Reader, Reading
from tsprompt.reading.together import read_passes
from tsprompt.readouts import readouts
from tsprompt.readouts.pooled import Pooled
from tsprompt.strategies import strategies
from tsprompt.tokenizers import tokenizers
from tsprompt.tokenizers.kernels import Kernels

LAYERS = (1, 2)


def series(count: int, timesteps: int, seed: int = 0) -> np.ndarray:
    """Values of few kinds, so that steps and cases recur."""
    rng = np.random.default_rng(seed)
    return rng.integers(-2, 3, size=(count, timesteps, 2)).astype(np.float32)


def make(
    backbone: Backbone,
    train: Cases,
    *,
    strategy: str = "shared",
    scope: str = "series",
    tokenizer: str = "bins",
    readout: str = "pooled:pools=mean+proportion+segments+mask",
    prompt: str = "hard:length=3",
    batch_tokens: int = 8192,
) -> tuple[Reader, Reading]:
    plan = strategies.build(strategy)
    fitted = tokenizers.build(tokenizer)
    fitted.fit(train, backbone, max_steps=20, rng=np.random.default_rng(0))
    length = prompts.build(prompt).length or 0
    slots = plan.slots(length, fitted.max_steps_)
    drawn = prompts.build(prompt).draw(slots, backbone, np.random.default_rng(1))
    reader = Reader(backbone, plan, length, scope, BatchSize(batch_tokens))
    return reader, Reading(fitted, drawn, readouts.build(readout), LAYERS)


def learn(reader: Reader, reading: Reading, cases: Cases) -> Tensor:
    return reader.fit_features(reading, cases, np.random.default_rng(2))


class Spy:
    """Counts the rows that a backbone is given."""

    def __init__(self, backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: Counter[bytes] = Counter()
        self.tokens = 0
        self.calls: list[int] = []
        original = backbone.run

        def run(
            embeddings: Tensor, layers: tuple[int, ...], deep: Tensor | None = None, **how: Any
        ) -> list[Tensor]:
            self.calls.append(len(embeddings))
            self.tokens += embeddings.shape[0] * embeddings.shape[1]
            self.rows.update(row.numpy().tobytes() for row in embeddings)
            return original(embeddings, layers, deep, **how)

        monkeypatch.setattr(backbone, "run", run)


@pytest.fixture
def spy(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(backbone, monkeypatch)


# --- distinct ---


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_equal_rows_at_equal_places_get_equal_numbers(rows: list[tuple[int, int]]) -> None:
    values = torch.tensor([[row, row] for row, _ in rows])
    place = np.array([at for _, at in rows])
    numbers, new = Distinct().add(values, place)
    assert len(numbers) == len(rows)
    for i, one in enumerate(rows):
        for j, other in enumerate(rows):
            assert (numbers[i] == numbers[j]) == (one == other)
    # New rows come in the order of their numbers, which is that of first appearance.
    assert [numbers[i] for i in new] == list(range(len(set(rows))))
    assert [rows[i] for i in new] == list(dict.fromkeys(rows))


def test_rows_seen_before_are_not_new() -> None:
    distinct = Distinct()
    distinct.add(torch.tensor([[1.0], [2.0]]), np.zeros(2, np.intp))
    numbers, new = distinct.add(torch.tensor([[3.0], [2.0], [3.0]]), np.zeros(3, np.intp))
    assert numbers.tolist() == [2, 1, 2]
    assert new.tolist() == [0]
    assert len(distinct) == 3


# --- each distinct row once ---


@pytest.mark.parametrize("strategy", ["shared", "per-step"])
@pytest.mark.parametrize("scope", ["series", "step"])
def test_the_model_reads_each_distinct_row_once(
    backbone: Backbone, spy: Spy, strategy: str, scope: str
) -> None:
    values = series(6, 8)
    cases = Cases(np.concatenate([values, values[::-1], values[:3]]))
    reader, reading = make(backbone, cases, strategy=strategy, scope=scope)
    learn(reader, reading, cases)
    assert set(spy.rows.values()) == {1}
    assert reader.tokens_run == spy.tokens
    tokens = reading.tokenizer.transform(torch.from_numpy(values), backbone)
    if scope == "series":
        assert len(spy.rows) == 6
    else:
        place = np.arange(8) if strategy == "per-step" else np.zeros(8, int)
        steps = {
            (tuple(one.tolist()), at)
            for case in tokens
            for one, at in zip(case, place, strict=True)
        }
        assert len(spy.rows) == len(steps) < 6 * 8


def test_a_pass_over_test_reads_each_distinct_row_once(backbone: Backbone, spy: Spy) -> None:
    cases = Cases(series(6, 8))
    reader, reading = make(backbone, cases)
    learn(reader, reading, cases)
    spy.rows.clear()
    reader.features(reading, cases.take([0, 1, 0, 1, 5]))
    assert len(spy.rows) == 3
    assert set(spy.rows.values()) == {1}


def test_none_runs_no_tokens(tiny_bert: str) -> None:
    from tsprompt.backbones import load_backbone

    none = load_backbone(f"none:{tiny_bert}", device="cpu", dtype="float32")
    cases = Cases(series(6, 8))
    reader, reading = make(none, cases)
    reading = dataclasses.replace(reading, layers=(0,))
    learn(reader, reading, cases)
    assert reader.tokens_run == 0


# --- the same as the naive way ---


def naive(reader: Reader, reading: Reading, values: np.ndarray) -> tuple[Tensor, Tensor]:
    """What the model says at data and mask, case by case and step by step, nothing shared."""
    backbone, prompt = reader.backbone, reading.prompt
    tokens = reading.tokenizer.transform(torch.from_numpy(values)[None], backbone)
    vectors, plan = prompt.fill(backbone), reader.strategy
    steps, width = tokens.shape[1:3]

    def say(rows: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
        template = plan.template(rows.shape[1], width, len(used), prompt)
        said = backbone.run(template.assemble(rows, used, backbone), LAYERS)
        states = torch.stack(said, dim=1).float()
        return states[:, :, template.data.ravel()], states[:, :, template.mask : template.mask + 1]

    if reader.scope == "series":
        return say(tokens, vectors[: plan.slots(reader.length, steps)])
    masks = []
    for s in range(steps):
        own = vectors[s * reader.length :] if plan.by_step else vectors
        masks.append(say(tokens[:, s : s + 1], own[: reader.length])[1])
    joined = torch.cat(masks, dim=2)
    return joined, joined


@pytest.mark.parametrize("tokenizer", ["bins", "digits:digits=1", "kernels", "patches:steps=5"])
@pytest.mark.parametrize("scope", ["series", "step"])
@pytest.mark.parametrize("strategy", ["shared", "per-step"])
@pytest.mark.parametrize("readout", ["mask", "pooled:pools=mean+max+proportion+segments"])
def test_features_are_those_of_the_naive_way(
    backbone: Backbone, strategy: str, scope: str, tokenizer: str, readout: str
) -> None:
    cases = Cases(np.concatenate([series(5, 8), series(5, 8)]))
    reader, reading = make(
        backbone, cases, strategy=strategy, scope=scope, tokenizer=tokenizer, readout=readout
    )
    found = learn(reader, reading, cases)
    again = reader.features(reading, cases)
    torch.testing.assert_close(found, again, rtol=1e-5, atol=1e-5)
    for i, values in enumerate(cases):
        expected = reading.readout.pool(*naive(reader, reading, values))
        torch.testing.assert_close(found[i : i + 1], expected, rtol=1e-4, atol=1e-4)


# --- how the work is cut up ---


@pytest.mark.parametrize("batch_tokens", [1, 37, 100, 8192])
@pytest.mark.parametrize("scope", ["series", "step"])
def test_the_size_of_batches_changes_nothing(
    backbone: Backbone, scope: str, batch_tokens: int
) -> None:
    cases = Cases(series(9, 8))
    whole, small = (
        learn(*make(backbone, cases, scope=scope, batch_tokens=tokens), cases)
        for tokens in (10**6, batch_tokens)
    )
    torch.testing.assert_close(small, whole, rtol=1e-4, atol=1e-4)


def test_tokens_may_come_in_chunks(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = Cases(series(9, 8))
    expected = learn(*make(backbone, cases), cases)
    for limit in ("_CHUNK_BYTES", "KEPT_BYTES"):
        monkeypatch.setattr(f"tsprompt.reading.reader.{limit}", 300)
        torch.testing.assert_close(learn(*make(backbone, cases), cases), expected)
    monkeypatch.setattr("tsprompt.reading.passes._GATHER_CASES", 2)
    steps = learn(*make(backbone, cases, scope="step"), cases)
    monkeypatch.undo()
    at_once = learn(*make(backbone, cases, scope="step"), cases)
    torch.testing.assert_close(steps, at_once, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("strategy", ["shared", "per-step"])
@given(lengths=st.lists(st.integers(4, 12), min_size=2, max_size=8))
def test_ragged_cases_read_together_are_those_read_alone(
    backbone: Backbone, strategy: str, lengths: list[int]
) -> None:
    cases = Cases([series(1, length, seed)[0] for seed, length in enumerate(lengths)])
    reader, reading = make(backbone, cases, strategy=strategy)
    together = learn(reader, reading, cases)
    alone = torch.cat([reader.features(reading, cases.take([i])) for i in range(len(lengths))])
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-5)


def test_there_is_no_padding(backbone: Backbone, spy: Spy) -> None:
    cases = Cases([series(1, length, i)[0] for i, length in enumerate((4, 9, 9, 17))])
    reader, reading = make(backbone, cases, tokenizer="patches:steps=17")
    learn(reader, reading, cases)
    assert reader.tokens_run == 4 * (3 + 3) + 4 + 9 + 9 + 17
    assert sorted(spy.calls) == [1, 1, 2]


def test_the_readout_learns_from_a_sample_and_every_case_is_read_once(
    backbone: Backbone, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tsprompt.reading.reader.READOUT_CASES", 3)
    cases = Cases([series(1, 6 + i % 3, i)[0] for i in range(9)])
    reader, reading = make(backbone, cases, tokenizer="patches:steps=8")
    found = learn(reader, reading, cases)
    assert set(spy.rows.values()) == {1}
    torch.testing.assert_close(found, reader.features(reading, cases), rtol=1e-5, atol=1e-5)


def test_tokens_are_kept_for_the_next_prompt_and_forgotten(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = Cases(series(5, 8))
    reader, reading = make(backbone, cases)
    made: list[int] = []
    original = type(reading.tokenizer).transform

    def transform(self: Any, values: Tensor, vocabulary: Backbone) -> Tensor:
        made.append(len(values))
        return original(self, values, vocabulary)

    monkeypatch.setattr(type(reading.tokenizer), "transform", transform)
    learn(reader, reading, cases)
    learn(reader, dataclasses.replace(reading), cases)
    assert len(made) == 1
    learn(reader, reading, cases.take([0, 1, 2]))
    assert len(made) == 2
    reader.forget()
    learn(reader, reading, cases)
    assert len(made) == 3


def test_progress_ends_at_the_number_of_cases(backbone: Backbone) -> None:
    cases = Cases([series(1, 6 + i % 3, i)[0] for i in range(9)])
    reader, reading = make(backbone, cases, batch_tokens=20)
    heard: list[tuple[str, float, float]] = []
    with progress.listen(lambda *said: heard.append(said)):
        reader.fit_features(reading, cases, np.random.default_rng(0), "a stage")
    done = [one for _, one, _ in heard]
    assert done == sorted(done)
    assert heard[-1][1:] == (9, 9)
    assert {(stage, total) for stage, _, total in heard} == {("a stage", 9)}


# --- what is read is what the readout needs ---


@pytest.mark.parametrize(
    ("readout", "depth"),
    [
        ("mask:layers=1", 1),
        ("pooled:layers=2", 2),
        ("mask", 4),
        ("pooled", 1),
        ("pooled:first=2", 2),
        ("pooled:first=3", 3),
        ("pooled:layers=0", 0),
        ("mask:layers=-2", 3),
    ],
)
def test_only_as_many_layers_are_loaded_as_the_readout_needs(
    make_bert: Callable[..., str], separable: Any, tiny: dict[str, Any], readout: str, depth: int
) -> None:
    tiny = {**tiny, "backbone": make_bert(num_hidden_layers=4)}
    fitted = PromptClassifier(**tiny, readout=readout).fit(separable.X, separable.y)
    assert fitted.reader_.backbone.depth == depth
    names = [key for key, _ in fitted.reader_.backbone.model.named_parameters()]
    assert {key.split(".")[2] for key in names if "layer" in key and "encoder" in key} == {
        str(layer) for layer in range(depth)
    }


# --- memory ---


@pytest.fixture
def short_of_memory(
    tiny_bert: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int], None]]:
    """Let the backbones' `run` fail on more rows than this."""

    def limit(rows: int) -> None:
        original = Backbone.run

        def run(self: Backbone, embeddings: Tensor, *said: Any, **how: Any) -> list[Tensor]:
            if len(embeddings) > rows:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return original(self, embeddings, *said, **how)

        monkeypatch.setattr(Backbone, "run", run)

    yield limit
    monkeypatch.undo()


@pytest.mark.parametrize("scope", ["series", "step"])
def test_a_fit_that_runs_out_of_memory_goes_on_with_smaller_batches(
    separable: Any, tiny: dict[str, Any], short_of_memory: Callable[[int], None], scope: str
) -> None:
    plain = PromptClassifier(**tiny, scope=scope).fit(separable.X, separable.y)
    expected = plain.predict_proba(separable.X_test)
    short_of_memory(4)
    limited = PromptClassifier(**tiny, scope=scope)
    with pytest.warns(TspromptNotice, match="memory ran out with") as said:
        limited.fit(separable.X, separable.y)
    assert len(said) == 1
    found = limited.predict_proba(separable.X_test)  # a second notice would be an error
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_batch_that_did_not_fit_is_let_go_of_before_a_smaller_one_is_read(
    separable: Any, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, failed, left = Backbone.run, [], []

    def run(self: Backbone, embeddings: Tensor, *said: Any, **how: Any) -> list[Tensor]:
        states = original(self, embeddings, *said, **how)
        if len(embeddings) > 4:
            failed.extend(weakref.ref(one) for one in (embeddings, *states))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return states

    monkeypatch.setattr(Backbone, "run", run)
    monkeypatch.setattr(
        batches, "release", lambda: left.append(sum(one() is not None for one in failed))
    )
    with pytest.warns(TspromptNotice, match="memory ran out with"):
        PromptClassifier(**tiny).fit(separable.X, separable.y)
    assert failed
    assert set(left) == {0}


def test_memory_for_not_even_one_case_says_what_to_do(
    separable: Any, tiny: dict[str, Any], short_of_memory: Callable[[int], None]
) -> None:
    short_of_memory(0)
    with (
        pytest.warns(TspromptNotice, match="memory ran out with"),
        pytest.raises(TspromptError, match=r"one row of 39 tokens; use fewer steps"),
    ):
        PromptClassifier(**tiny).fit(separable.X, separable.y)


@pytest.mark.gpu
def test_a_gpu_gives_the_features_of_the_cpu(tiny_bert: str, backbone: Backbone) -> None:
    from tsprompt.backbones import load_backbone

    cases = Cases(series(9, 8))
    gpu = load_backbone(tiny_bert, device="cuda", dtype="float32")
    on = [learn(*make(one, cases, tokenizer="kernels"), cases).cpu() for one in (backbone, gpu)]
    torch.testing.assert_close(on[0], on[1], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("scope", ["series", "step"])
@pytest.mark.parametrize("strategy", ["shared", "per-step"])
def test_tuners_hear_the_same_and_their_gradient_reaches_the_prompt(
    backbone: Backbone, strategy: str, scope: str
) -> None:
    cases = Cases(series(5, 8))
    reader, reading = make(backbone, cases, strategy=strategy, scope=scope)
    expected = learn(reader, reading, cases)
    tokens = reading.tokenizer.transform(torch.from_numpy(np.stack(list(cases))), backbone)
    vectors = reading.prompt.fill(backbone).clone().requires_grad_()
    trained = dataclasses.replace(reading.prompt, vectors=vectors)
    found = reading.readout.pool(*reader.hidden(tokens, trained, LAYERS))
    torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=1e-4)
    found[0, 0].backward()
    assert vectors.grad is not None
    assert float(vectors.grad.abs().sum()) > 0


@pytest.mark.parametrize("count", [1, together.TOGETHER_CASES, together.TOGETHER_CASES + 1])
def test_tokenizers_make_tokens_of_few_cases_at_once(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    train, cases = Cases(series(20, 12)), Cases(series(count, 12, 1))
    specs = ["kernels:steps=6", "bins", "kernels:steps=6,quantiles=9", "kernels:steps=6"]
    readings = [make(backbone, train, tokenizer=one)[1] for one in specs]
    reader, _ = make(backbone, train)
    joined: list[int] = []
    own = Kernels.joined

    def counted(self: Kernels, others: Any, vocabulary: Any) -> Any:
        joined.append(1 + len(others))
        return own(self, others, vocabulary)

    monkeypatch.setattr(Kernels, "joined", counted)
    for reading in readings:
        learn(reader, reading, train)
    alone = [reader.features(one, cases) for one in readings]
    assert not joined
    for _ in range(2):  # what joins them is kept
        passes = [Pass(reader, one, cases) for one in readings]
        read = list(read_passes(passes))
        found = {id(one): one.features() for one in read}
        for one, expected in zip(passes, alone, strict=True):
            assert torch.equal(found[id(one)], expected)
    assert joined == ([2] if count <= together.TOGETHER_CASES else [])


@pytest.mark.parametrize("kinds", ["mean+std", "mean+proportion", "mask+mean"])
def test_a_few_rows_of_several_prompts_are_pooled_at_once(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, kinds: str
) -> None:
    """Where their readouts have learned nothing that tells them apart."""
    train, cases = Cases(series(20, 12)), Cases(series(4, 12, 1))
    specs = ["kernels:steps=6", "kernels:steps=6,quantiles=9", "kernels:steps=6,length=5"]
    readout = f"pooled:pools={kinds}"
    readings = [make(backbone, train, tokenizer=one, readout=readout)[1] for one in specs]
    reader, _ = make(backbone, train)
    for reading in readings:
        learn(reader, reading, train)
    alone = [reader.features(one, cases) for one in readings]
    rows: list[int] = []
    own = Pooled.pool

    def counted(self: Pooled, data: Tensor, mask: Tensor) -> Tensor:
        rows.append(len(data))
        return own(self, data, mask)

    monkeypatch.setattr(Pooled, "pool", counted)
    for few in (together._FEW_ROWS, 2):
        monkeypatch.setattr(together, "_FEW_ROWS", few)
        rows.clear()
        passes = [Pass(reader, one, cases) for one in readings]
        assert len(list(read_passes(passes))) == 3
        for one, expected in zip(passes, alone, strict=True):
            assert torch.equal(one.features(), expected)
        at_once = few > 2 and "proportion" not in kinds
        assert rows == ([12] if at_once else [4, 4, 4])
