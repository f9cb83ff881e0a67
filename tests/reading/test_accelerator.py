"""Reading on an accelerator, without one: where it would be waited for, and what is timed.

The stand-in is torch's device `meta`, which has no memory: whoever asks it for a number fails, as
whoever asks a GPU for one waits.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tsprompt import PromptClassifier
from tsprompt.backbones import Backbone, BatchSize, load, load_backbone
from tsprompt.base import accelerator
from tsprompt.base.accelerator import between, mark, peak_bytes, reset_peak, sent, synchronise
from tsprompt.benchmark import Record
from tsprompt.benchmark.measure import measure
from tsprompt.benchmark.record import record_of
from tsprompt.contexts.demonstrations import Demonstrations
from tsprompt.data import Cases
from tsprompt.prompts import prompts
from tsprompt.reading import together
from tsprompt.reading.reader import Reader
from tsprompt.readouts import readouts
from tsprompt.strategies import strategies
from tsprompt.tokenizers import tokenizers

META = torch.device("meta")


class Waits(TorchDispatchMode):
    """Notes what a program would wait for: copies that are not begun and left alone, and numbers
    that it asks the device for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        own = args[0].device if args and isinstance(args[0], Tensor) else None
        moves = name == "_to_copy" and kwargs.get("device", own) != own
        if moves and (own == META or not kwargs.get("non_blocking")):
            self.found.append(f"a copy from {own} to {kwargs['device']}")
        if name in ("_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2"):
            self.found.append(name)
        if name in ("index", "index_put", "index_put_", "_index_put_impl_") and own == META:
            on_cpu = [one for one in args[1] if one is not None and one.device != META]
            self.found += [f"{name} by what lies on the processor"] * len(on_cpu)
        out = func(*args, **kwargs)
        if isinstance(out, Tensor) and (out.device, out.dtype) == (META, torch.float64):
            self.found.append(f"{name} in float64, which mps does not have")
        return out


@pytest.fixture(scope="module")
def there(tiny_bert: str) -> Backbone:
    """The tiny BERT on the stand-in."""
    return load._load(tiny_bert, None, 0, "meta", torch.float32, answers=True)


@pytest.mark.parametrize("strategy", ["shared", "per-step"])
@pytest.mark.parametrize("scope", ["series", "step"])
@pytest.mark.parametrize("tokens", ["ids", "embeddings"])
def test_the_inner_loop_waits_for_nothing(
    there: Backbone, strategy: str, scope: str, tokens: str
) -> None:
    reader = Reader(there, strategies.build(strategy), 3, scope, BatchSize(1000))
    shape = (4, 5 if scope == "series" else 1, 2)
    rows = torch.zeros(shape, dtype=torch.int64, device=META)
    if tokens == "embeddings":
        rows = torch.zeros((*shape, there.hidden_size), device=META)
    prompt = prompts.build("hard").draw(
        15 if strategy == "per-step" else 3, there, np.random.default_rng(0)
    )
    vectors = prompt.fill(there)
    readout = readouts.build("pooled:pools=mean+max+std+proportion+segments")
    readout.fit(torch.randn(40, 2, there.state_size))
    with Waits() as waits:
        said = reader.read(rows, np.array([0, 1, 2, 3]), prompt, vectors, (1, 2))
        features = readout.pool(*said)
    assert features.device == META
    assert waits.found == []


@pytest.mark.parametrize(
    "spec", ["bins:steps=4", "patches", "kernels:steps=4", "kernels:response=rank"]
)
def test_tokenizers_wait_for_nothing(there: Backbone, tiny_bert: str, spec: str) -> None:
    rng = np.random.default_rng(0)
    tokenizer = tokenizers.build(spec)
    cases = Cases(rng.normal(size=(12, 24, 1)).astype(np.float32))
    here = load_backbone(tiny_bert, 1, 0, "cpu", "float32")
    tokenizer.fit(cases, here, max_steps=20, rng=rng)
    values = torch.zeros(5, 24, 1, device=META)
    with Waits() as waits:
        tokens = tokenizer.transform(values, there)
    assert tokens.device == META
    assert waits.found == []


def test_demonstrations_are_joined_without_waiting(
    there: Backbone, tiny: dict[str, Any], separable: Any
) -> None:
    chosen = {"context": "demonstrations", "readout": "mask", "tokenizer": "bins:steps=4"}
    fitted = PromptClassifier(**tiny, **chosen).fit(separable.X, separable.y)
    (reading,) = fitted.readings_
    context = copy.copy(reading.context)
    assert isinstance(context, Demonstrations)
    context.met_shelf = copy.copy(context.met_shelf)
    assert context.met_shelf is not None
    context.met_shelf.tokens = {
        steps: one.to(META) for steps, one in context.met_shelf.tokens.items()
    }
    strategy = fitted.parts_.strategy
    reader = Reader(there, strategy, 3, "series", BatchSize(1000))
    rows = torch.zeros((4, 4, 1), dtype=torch.int64, device=META)
    prompt = prompts.build("hard").draw(3, there, np.random.default_rng(0))
    vectors = prompt.fill(there)
    beside = np.tile(np.arange(context.shown_ * context.n_classes), (4, 1))
    with Waits() as waits:
        reader.read(rows, np.arange(4), prompt, vectors, (1,), context=context, beside=beside)
    assert waits.found == []


def test_the_stand_in_tells_where_it_is_waited_for() -> None:
    here, there = torch.zeros(3), torch.zeros(3, device=META)
    with Waits() as waits:
        here.to(META)
        sent(here, META)
        there[torch.tensor([0])]
    assert len(waits.found) == 2


class Event:
    """A moment on a device that is ten times as slow as whoever tells it what to do."""

    waited = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        self.at = 0.0

    def record(self) -> None:
        Event.now += 1.0
        self.at = Event.now

    def synchronize(self) -> None:
        Event.waited += 1

    def elapsed_time(self, other: Event) -> float:
        return 1e3 * (other.at - self.at)

    now = 0.0


def test_a_device_is_asked_for_its_times_when_all_is_said(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = PromptClassifier(**tiny, batch_tokens=200).fit(separable.X, separable.y)
    reader, runs = fitted.reader_, []
    original = Backbone.run

    def run(*given: Any, **more: Any) -> Any:
        runs.append(Event.waited)
        return original(*given, **more)

    monkeypatch.setattr(Backbone, "run", run)
    monkeypatch.setattr(torch, "Event", Event)
    monkeypatch.setattr(together, "mark", lambda _: mark(torch.device("cuda")))
    before = reader.seconds
    fitted.predict_proba(separable.X_test)
    assert len(runs) > 1
    assert set(runs) == {0}  # no batch has waited for one before it
    # From the first mark of a batch to the second passes one second of this device.
    assert reader.seconds - before == pytest.approx(len(runs))


def test_seconds_are_read_after_the_device_is_through(
    tiny: dict[str, Any], separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tsprompt.benchmark import Cell, Method
    from tsprompt.data import Cases, Dataset, Split

    order: list[str] = []
    monkeypatch.setattr(accelerator, "synchronise", lambda *_: order.append("wait"))
    monkeypatch.setattr(accelerator, "reset_peak", lambda: order.append("reset"))
    monkeypatch.setattr(accelerator, "peak_bytes", lambda: 5_000)
    train = Split(Cases(separable.X), separable.y)
    test = Split(Cases(separable.X_test), separable.y_test)
    dataset = Dataset("A", train, test, "bundled")
    cell = Cell("A", Method("mine", "model", settings={"backbone": tiny["backbone"]}), 0)
    record, _ = measure(PromptClassifier(**tiny), cell, dataset, stage=order.append)
    assert order == ["fitting", "reset", "wait", "wait", "predicting", "wait"]
    assert record.peak_gpu_memory_bytes == 5_000


def test_records_of_before_are_still_read(make_record: Any) -> None:
    record: Record = make_record("A", "shared", 0.9)
    assert record.peak_gpu_memory_bytes is None
    old = record.as_dict()
    del old["peak_gpu_memory_bytes"]
    assert record_of(json.dumps(old)) == record
    new = dataclasses.replace(record, peak_gpu_memory_bytes=7)
    assert record_of(json.dumps(new.as_dict())) == new


def test_a_processor_is_not_waited_for() -> None:
    if not torch.cuda.is_initialized():
        reset_peak()
        synchronise()
        assert peak_bytes() is None
    first, last = mark(torch.device("cpu")), mark(torch.device("cpu"))
    assert 0 <= between(first, last) < 60
    values = np.arange(6).reshape(2, 3)[:, ::-1]
    assert sent(values, torch.device("cpu")).tolist() == values.tolist()


@pytest.mark.gpu
def test_a_gpu_is_not_waited_for_in_the_inner_loop(tiny_bert: str, separable: Any) -> None:
    from tsprompt.backbones import load_backbone

    fitted = PromptClassifier(backbone=tiny_bert, device="cuda", dtype="float32", random_state=0)
    fitted.fit(separable.X, separable.y)
    reader, reading = fitted.reader_, fitted.readings_[0]
    there = load_backbone(tiny_bert, device="cuda", dtype="float32")
    rows = torch.zeros(8, 20, 1, there.hidden_size, device="cuda")
    vectors = reading.prompt.fill(reader.backbone)
    place = np.zeros(8, dtype=np.intp)
    for mode in ("default", "error"):  # once to warm up
        torch.cuda.set_sync_debug_mode(mode)
        try:
            said = reader.read(rows, place, reading.prompt, vectors, reading.layers)
            reading.readout.pool(*said)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_a_gpu_tells_its_seconds_and_its_memory() -> None:
    device = torch.device("cuda")
    torch.zeros(1, device=device)
    reset_peak()
    begun = mark(device)
    torch.randn(4096, 4096, device=device) @ torch.randn(4096, 4096, device=device)
    assert between(begun, mark(device)) > 0
    assert (peak_bytes() or 0) > 3 * 4096 * 4096 * 4


@pytest.fixture(params=["cuda", "mps"])
def device(request: pytest.FixtureRequest) -> str:
    """Every kind of accelerator that this machine has."""
    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if not there[request.param]():
        pytest.skip(f"there is no {request.param} device")
    return str(request.param)


@pytest.mark.parametrize(
    "choices",
    [
        {"recipe": "fast"},
        {"tokenizer": "bins", "readout": "mask", "head": "mlp", "n_prompts": 1},
        {"recipe": "prompt-tuning", "tuner": "gradient:epochs=2"},
        {"recipe": "fast", "scope": "step", "strategy": "per-step"},
        {"recipe": "fast", "class_weight": "balanced", "head": "prototype", "readout": "mask"},
    ],
)
def test_an_accelerator_says_what_a_processor_says(
    device: str, choices: dict[str, Any], tiny: dict[str, Any], separable: Any
) -> None:
    chances = [
        PromptClassifier(**{**tiny, **choices, "device": place})
        .fit(separable.X, separable.y)
        .predict_proba(separable.X_test)
        for place in ("cpu", device)
    ]
    assert (chances[0].argmax(axis=1) == chances[1].argmax(axis=1)).all()
    trained = "tuner" in choices or choices.get("head") in ("mlp", "prototype")
    np.testing.assert_allclose(chances[1], chances[0], atol=2e-2 if trained else 2e-3)
