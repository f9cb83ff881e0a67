"""The socket: many saved models, answered as each of them answers by itself."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt import ConfigError, InputError, ModelFileError, PromptClassifier, Socket

QUICK = "gradient:epochs=2,hidden=8"
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "shallow": {"readout": "pooled:first=1"},
    "other-head": {"head": "mlp"},
    "other-draw": {"random_state": 1, "n_prompts": 2},
    "steps": {"scope": "step", "strategy": "per-step"},
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
