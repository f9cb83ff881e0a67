"""The socket: many saved models, answered as each of them answers by itself."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tsprompt import ConfigError, InputError, ModelFileError, PromptClassifier, Socket
from tsprompt.backbones import Backbone, load
from tsprompt.serving import socket as module

QUICK = "gradient:epochs=2,hidden=8"
TWO = "pooled:first=2"
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {"readout": TWO},
    "shallow": {"readout": "pooled:first=1"},
    "other-head": {"readout": TWO, "head": "mlp"},
    "other-draw": {"readout": TWO, "random_state": 1, "n_prompts": 2},
    "steps": {"readout": TWO, "scope": "step", "strategy": "per-step"},
    "deep": {"recipe": "p-tuning-v2", "tuner": QUICK},
    "shown": {"recipe": "demonstrations", "n_prompts": 1, "tokenizer": "kernels:steps=4"},
    "lora": {"train": "lm:method=lora", "tuner": QUICK},
}


@pytest.fixture(scope="module")
def models(
    tiny: dict[str, Any], separable: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A folder for each kind of model."""
    place = tmp_path_factory.mktemp("models")
    fitted = {name: PromptClassifier(**{**tiny, **own}) for name, own in RECIPES.items()}
    return {
        name: one.fit(separable.X, separable.y).save(place / name) for name, one in fitted.items()
    }


@pytest.fixture
def socket(models: dict[str, Path]) -> Socket:
    """All of them in one socket."""
    made = Socket(device="cpu")
    for path in models.values():
        made.add(path)
    return made


def alone(path: Path, X: Any) -> np.ndarray:
    return PromptClassifier.load(path, device="cpu").predict_proba(X)


# --- answers ---


def test_each_model_answers_as_it_does_alone(
    socket: Socket, models: dict[str, Path], separable: Any
) -> None:
    answers = socket.predict_proba(dict.fromkeys(models, separable.X_test))
    labels = socket.predict(dict.fromkeys(models, separable.X_test))
    for name, path in models.items():
        own = PromptClassifier.load(path, device="cpu")
        np.testing.assert_allclose(answers[name], own.predict_proba(separable.X_test), atol=1e-6)
        assert (labels[name] == own.predict(separable.X_test)).all()


def test_models_are_asked_by_the_name_of_their_folder_or_another(models: dict[str, Path]) -> None:
    socket = Socket(device="cpu")
    assert socket.add(models["plain"]) == "plain"
    assert socket.add(models["plain"], name="b") == "b"
    assert socket.names == ["b", "plain"]
    assert "b" in socket
    assert "c" not in socket


def test_an_unknown_name_is_told_with_the_near_ones(socket: Socket, separable: Any) -> None:
    with pytest.raises(ConfigError, match="no model 'plane'; did you mean plain"):
        socket.predict({"plane": separable.X})
    with pytest.raises(ConfigError, match="no model"):
        socket.remove("plane")
    with pytest.raises(ConfigError, match="it has none"):
        Socket().model("plain")


def test_a_message_about_cases_names_the_model(socket: Socket, separable: Any) -> None:
    with pytest.raises(InputError, match="plain: X has shape"):
        socket.predict({"plain": separable.X[0, 0]})
    with pytest.raises(InputError, match=r"plain: .*features"):
        socket.predict({"plain": separable.X[:, :, :1]})


# --- one language model ---


class Spy:
    """Counts the inputs that language models are given, and how deep they go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inputs: Counter[bytes] = Counter()
        self.calls: list[tuple[int, tuple[int, ...], int]] = []
        original = Backbone.run

        def run(
            backbone: Backbone,
            embeddings: Tensor,
            layers: tuple[int, ...],
            deep: Any = None,
            **how: Any,
        ) -> list[Tensor]:
            self.calls.append((len(embeddings), layers, backbone.depth))
            heard = b"" if deep is None else deep.numpy().tobytes()
            self.inputs.update(one.numpy().tobytes() + heard for one in embeddings)
            return original(backbone, embeddings, layers, deep, **how)

        monkeypatch.setattr(Backbone, "run", run)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


def holding(socket: Socket, names: list[str]) -> list[Backbone]:
    return [socket.model(name).reader_.backbone for name in names]


def places(backbone: Backbone) -> set[int]:
    return {one.data_ptr() for one in backbone.model.parameters()}


def test_models_of_other_depths_share_their_weights(socket: Socket) -> None:
    plain, shallow, deep, lora = holding(socket, ["plain", "shallow", "deep", "lora"])
    assert (shallow.depth, plain.depth) == (1, 2)
    assert places(shallow) < places(plain)
    assert places(plain) == places(deep)
    assert plain.word_vectors.data_ptr() == shallow.word_vectors.data_ptr()
    assert plain.words is shallow.words
    assert plain.holds(shallow)
    assert not shallow.holds(plain)
    assert not places(lora) & places(plain)
    assert not plain.holds(lora)


@pytest.mark.parametrize("order", [["shallow", "plain"], ["plain", "shallow"]])
def test_a_deeper_model_extends_what_is_there(
    models: dict[str, Path], separable: Any, order: list[str]
) -> None:
    load._load.cache_clear()
    socket = Socket(device="cpu")
    for name in order:
        socket.add(models[name])
        answer = socket.predict_proba({order[0]: separable.X_test})[order[0]]
        assert np.allclose(answer, alone(models[order[0]], separable.X_test), atol=1e-6)
    first, second = holding(socket, ["shallow", "plain"])
    assert places(first) < places(second)


def test_random_twins_share_what_is_equal_and_nothing_else(tiny_bert: str) -> None:
    one, two, real = (
        load.load_backbone(name, 2, seed, "cpu", "float32")
        for name, seed in ((f"random:{tiny_bert}", 1), (f"random:{tiny_bert}", 2), (tiny_bert, 0))
    )
    for a, b in ((one, two), (one, real)):
        theirs = dict(b.model.named_parameters())
        for name, own in a.model.named_parameters():
            shared = own.data_ptr() == theirs[name].data_ptr()
            assert shared == bool(torch.equal(own, theirs[name])), name
        assert not a.holds(b)


def test_models_that_read_the_same_share_the_pass(socket: Socket, separable: Any, spy: Spy) -> None:
    socket.predict_proba({"plain": separable.X_test})
    once = spy.inputs.copy()
    spy.inputs.clear()
    spy.calls.clear()
    X = separable.X_test.copy()
    socket.predict_proba({"plain": separable.X_test, "other-head": X, "shallow": X.copy()})
    assert spy.inputs == once
    assert set(spy.inputs.values()) == {1}
    # The shallow one takes its layer on the way.
    assert {(layers, depth) for _, layers, depth in spy.calls} == {((1, 2), 2)}


def test_inputs_are_run_as_deep_as_those_who_want_them_need(
    socket: Socket, separable: Any, spy: Spy
) -> None:
    few, all_of_them = separable.X_test[:3], separable.X_test
    answers = socket.predict_proba({"plain": few, "shallow": all_of_them})
    assert set(spy.inputs.values()) == {1}
    assert sorted(spy.calls) == [(3, (1, 2), 2), (12, (1,), 1)]
    assert len(answers["shallow"]) == len(all_of_them)


def test_deep_prompts_that_are_equal_share_the_pass(
    models: dict[str, Path], separable: Any, spy: Spy
) -> None:
    socket = Socket(device="cpu")
    for name in ("one", "two"):
        socket.add(models["deep"], name=name)
    spy.inputs.clear()
    answers = socket.predict_proba(dict.fromkeys(["one", "two"], separable.X_test))
    assert set(spy.inputs.values()) == {1}
    assert (answers["one"] == answers["two"]).all()


def test_rows_of_models_with_other_prompts_go_through_in_one_batch(
    socket: Socket, separable: Any, spy: Spy
) -> None:
    X = separable.X_test[:1]
    socket.predict_proba({"plain": X, "other-draw": X})
    assert [count for count, _, _ in spy.calls] == [3]  # one prompt, and two


def test_many_cases_are_read_in_turn_and_still_once(
    socket: Socket, models: dict[str, Path], separable: Any, spy: Spy, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tsprompt.reading.together._FEW_CASES", 4)
    monkeypatch.setattr("tsprompt.reading.together._HELD_BYTES", 1)
    names = ["plain", "other-draw", "shallow", "other-head", "steps"]
    answers = socket.predict_proba(dict.fromkeys(names, separable.X_test))
    assert set(spy.inputs.values()) == {1}
    for name in names:
        assert np.allclose(answers[name], alone(models[name], separable.X_test), atol=1e-6)


def test_batches_are_read_side_by_side_on_several_cores(
    models: dict[str, Path], separable: Any, monkeypatch: pytest.MonkeyPatch, spy: Spy
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    names = ["plain", "other-draw", "other-head", "deep", "steps"]
    socket = Socket(device="cpu", batch_tokens=64)
    for name in names:
        socket.add(models[name])
    spy.inputs.clear()
    spy.calls.clear()
    answers = socket.predict_proba(dict.fromkeys(names, separable.X_test))
    assert set(spy.inputs.values()) == {1}
    assert len(spy.calls) > len(names)
    for name in names:
        assert np.allclose(answers[name], alone(models[name], separable.X_test), atol=1e-6)


@pytest.mark.parametrize("batch_tokens", [100, 150, 200, 250, 300])
def test_a_batch_of_one_models_rows_keeps_that_models_layers(
    tiny: dict[str, Any], separable: Any, tmp_path: Path, batch_tokens: int
) -> None:
    """Another model of the same call reads one layer more; batches end wherever they end."""
    made = Socket(device="cpu", batch_tokens=batch_tokens)
    for number, layers in enumerate(("2", "1+2")):
        own = {"readout": f"pooled:layers={layers}", "random_state": number, "n_prompts": 3}
        fitted = PromptClassifier(**{**tiny, **own}).fit(separable.X, separable.y)
        made.add(fitted.save(tmp_path / f"of {layers}"))
    X = separable.X_test[:2]
    answers = made.predict_proba(dict.fromkeys(made.names, X))
    for name in made.names:
        np.testing.assert_allclose(answers[name], alone(tmp_path / name, X), atol=1e-6)


def test_models_alike_have_one_tokenizer(socket: Socket) -> None:
    one, two, other = (
        socket.model(name).readings_[0].tokenizer for name in ("plain", "shallow", "other-draw")
    )
    assert one is two
    assert one is not other


# --- coming, going, and changing ---


def test_a_model_that_was_removed_is_gone(socket: Socket, separable: Any) -> None:
    socket.remove("plain")
    assert "plain" not in socket
    with pytest.raises(ConfigError, match="no model 'plain'"):
        socket.predict({"plain": separable.X})


@pytest.fixture
def place(models: dict[str, Path], tmp_path: Path) -> Path:
    """A model in a folder of its own, which a test may change."""
    return Path(shutil.copytree(models["plain"], tmp_path / "mine"))


def test_a_model_is_replaced_whole(models: dict[str, Path], place: Path, separable: Any) -> None:
    socket = Socket(device="cpu")
    socket.add(place)
    PromptClassifier.load(models["other-draw"], device="cpu").save(place)
    before = socket.predict_proba({"mine": separable.X_test})["mine"]
    assert np.allclose(before, alone(models["plain"], separable.X_test), atol=1e-6)
    socket.add(place)
    after = socket.predict_proba({"mine": separable.X_test})["mine"]
    assert np.allclose(after, alone(models["other-draw"], separable.X_test), atol=1e-6)


def test_a_damaged_one_is_refused_and_the_old_one_stays(place: Path, separable: Any) -> None:
    socket = Socket(device="cpu")
    socket.add(place)
    before = socket.predict_proba({"mine": separable.X_test})["mine"]
    (place / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelFileError, match="truncated or damaged"):
        socket.add(place)
    assert (socket.predict_proba({"mine": separable.X_test})["mine"] == before).all()


def test_another_digest_is_refused(models: dict[str, Path], place: Path) -> None:
    digest = json.loads((place / "model.json").read_text())["digest"]
    socket = Socket(device="cpu")
    socket.add(place, digest=digest)
    assert socket.plugged("mine").digest == digest
    with pytest.raises(ModelFileError, match="another model"):
        socket.add(models["shallow"], name="mine", digest=digest)
    assert socket.plugged("mine").path == place


# --- memory ---


def test_models_leave_when_there_are_too_many_and_come_back(
    models: dict[str, Path], separable: Any
) -> None:
    names = ["plain", "shallow", "other-head"]
    socket = Socket(device="cpu", max_bytes=1)
    for name in names:
        socket.add(models[name])
    assert socket.names == sorted(names)
    assert socket.loaded == ["other-head"]
    first = socket.model("plain")
    assert socket.loaded == ["plain"]
    assert socket.model("plain") is first
    answers = socket.predict_proba(dict.fromkeys(names, separable.X_test))
    for name in names:
        assert np.allclose(answers[name], alone(models[name], separable.X_test), atol=1e-6)


def test_those_that_were_not_asked_the_longest_leave_first(models: dict[str, Path]) -> None:
    names = ["plain", "shallow", "other-head"]
    socket = Socket(device="cpu")
    for name in names:
        socket.add(models[name])
    socket.model("plain")
    socket.max_bytes = socket.bytes - 1
    socket.add(models["deep"])
    assert "shallow" not in socket.loaded
    assert "plain" in socket.loaded


def test_one_that_left_and_was_changed_is_what_its_folder_holds(
    models: dict[str, Path], place: Path, separable: Any
) -> None:
    digest = json.loads((place / "model.json").read_text())["digest"]
    socket = Socket(device="cpu", max_bytes=1)
    socket.add(place, name="free")
    socket.add(place, name="pinned", digest=digest)
    socket.add(models["shallow"])
    PromptClassifier.load(models["other-draw"], device="cpu").save(place)
    answer = socket.predict_proba({"free": separable.X_test})["free"]
    assert np.allclose(answer, alone(models["other-draw"], separable.X_test), atol=1e-6)
    with pytest.raises(ModelFileError, match="another model"):
        socket.predict({"pinned": separable.X_test})


# --- threads ---


def in_threads(tasks: list[Callable[[], None]]) -> list[Exception]:
    """Run all of them at once; what they raise."""
    raised: list[Exception] = []

    def run(task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return raised


def test_models_come_and_go_while_others_are_asked(models: dict[str, Path], separable: Any) -> None:
    names = ["plain", "shallow", "other-head", "steps"]
    expected = {name: alone(models[name], separable.X_test) for name in names}
    socket = Socket(device="cpu", max_bytes=1)
    for name in names:
        socket.add(models[name])

    def ask(start: int) -> None:
        for turn in range(8):
            asked = {names[(start + turn + k) % 4]: separable.X_test for k in range(2)}
            for name, answer in socket.predict_proba(asked).items():
                np.testing.assert_allclose(answer, expected[name], atol=1e-6)

    def come_and_go() -> None:
        for turn in range(8):
            socket.add(models[names[turn % 4]])
            socket.add(models["plain"], name="guest")
            socket.remove("guest")

    assert not in_threads([lambda: ask(0), lambda: ask(1), lambda: ask(2), come_and_go])
    assert socket.names == sorted(names)


def test_memory_is_given_back_after_each_large_pass(
    socket: Socket, separable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once in a while after small ones."""
    given: list[int] = []
    monkeypatch.setattr(module, "give_back", lambda: given.append(1))
    monkeypatch.setattr(module, "_TIDY_SECONDS", 1e9)
    few, many = (separable.X_test[:count] for count in (module._MANY_CASES // 2, 8))
    socket.predict({"plain": few})
    assert not given
    socket.predict({"plain": few, "deep": many[: len(few)]})
    assert len(given) == 1
    socket.predict({"plain": many})
    assert len(given) == 2
    monkeypatch.setattr(module, "_TIDY_SECONDS", 0.0)
    socket.predict({"plain": few})
    assert len(given) == 3
