"""Saved models that were changed: refused in `load`, in words, or whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tsprompt import PromptClassifier
from tsprompt.base.tensor_folder import digest_of
from tsprompt.errors import BackboneError, ModelFileError, TspromptError

MODELS: dict[str, dict[str, Any]] = {
    "bins": {},
    "kernels": {"tokenizer": "kernels:steps=8", "n_prompts": 2, "readout": "pooled", "head": "mlp"},
    "steps": {"strategy": "per-step", "scope": "step", "tokenizer": "patches:steps=6"},
    "latent": {"strategy": "autoencoder:epochs=2,latent=8", "combination": "vote", "n_prompts": 2},
    "shown": {"context": "demonstrations:per_class=1", "prompt": "soft", "tuner": "none"},
    "parts": {
        "combination": "decompose",
        "n_prompts": 2,
        "head": "prototype:epochs=2",
        "readout": "mask",
    },
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsprompt.errors.TspromptNotice"),
    # The fixtures' arrays make a long text where Hypothesis shows an example.
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),
]
EXAMPLES = settings(
    max_examples=60,
    deadline=20_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ODD: list[Any] = [
    *(None, True, False, -1, 0, 1, 3, 10**9, 2**63, 10**30, -0.5, 1e-300, 1e308),
    *(float("nan"), float("inf"), "", "a", "x" * 500, "../..", "\ud800", "\x00", "|O", "<i8"),
    *([], {}, [[]], {"tensor": "/preprocessing/mean_"}, {"dict": {}}, {"array": 1}),
    *("standard:length=1000000000", "kernels:length=999", "bert-base-uncased", "<U999999999"),
]


@pytest.fixture(scope="module", params=MODELS)
def whole(
    request: pytest.FixtureRequest,
    tiny: dict[str, Any],
    separable: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    choices = {**tiny, **MODELS[request.param]}
    fitted = PromptClassifier(**choices).fit(separable.X, separable.y)
    return fitted.save(tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture
def saved(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def header_of(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "model.json").read_text()))


def write(path: Path, header: Any, *, signed: bool) -> None:
    if signed:
        header["digest"] = digest_of(header)
    (path / "model.json").write_text(json.dumps(header))


def outcome(path: Path, X: np.ndarray) -> np.ndarray | None:
    """What a model predicts; None, if it is refused in words. Anything else is a fault."""
    try:
        loaded = PromptClassifier.load(path, device="cpu")
    except (ModelFileError, BackboneError):
        return None
    # What load gives back predicts: only the cases themselves can be refused from here on.
    chances = loaded.predict_proba(X)
    assert chances.shape == (len(X), len(loaded.classes_))
    assert np.isfinite(chances).all()
    assert np.allclose(chances.sum(axis=1), 1)
    return chances


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a tree."""
    if here:
        yield here
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inside if isinstance(value, (dict, list)) else ():
        if isinstance(one, (dict, list)):
            yield from places(one, (*here, key))
        else:
            yield (*here, key)


def change(header: dict[str, Any], place: tuple[Any, ...], value: Any, how: str) -> None:
    *way, last = place
    at: Any = header
    for key in way:
        at = at[key]
    if how == "put":
        at[last] = value
    elif how == "delete":
        del at[last]
    elif isinstance(at, list):
        at.append(at[last])
    else:
        at[f"{last}x"] = at.pop(last)


def some(among: Iterable[Any], where: int) -> Any:
    """One of several, by a number of any size."""
    known = list(among)
    return known[where % len(known)]


WHERE = st.integers(0, 10**6)
HOW = st.sampled_from(["put", "put", "put", "delete", "rename"])


@EXAMPLES
@given(where=WHERE, how=HOW, value=st.sampled_from(ODD))
def test_a_change_of_the_header_is_noticed(
    *, saved: Path, whole: Path, separable: Any, where: int, how: str, value: Any
) -> None:
    header = header_of(whole)
    before = json.dumps(header, sort_keys=True)
    change(header, some(places(header), where), value, how)
    write(saved, header, signed=False)
    if json.dumps(header, sort_keys=True) != before:
        with pytest.raises(ModelFileError):
            PromptClassifier.load(saved, device="cpu")


@EXAMPLES
@given(where=WHERE, how=HOW, value=st.sampled_from(ODD))
def test_a_change_whose_digest_was_made_good_is_refused_in_words_or_predicts(
    *, saved: Path, whole: Path, separable: Any, where: int, how: str, value: Any
) -> None:
    header = header_of(whole)
    change(header, some(places(header), where), value, how)
    write(saved, header, signed=True)
    outcome(saved, separable.X_test)


def _drop(tensors: dict[str, torch.Tensor], name: str) -> None:
    del tensors[name]


def _rename(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[f"{name}x"] = tensors.pop(name)


def _add(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors["/more"] = tensors[name].clone()


def _swap(tensors: dict[str, torch.Tensor], name: str) -> None:
    other = min(tensors)
    tensors[name], tensors[other] = tensors[other], tensors[name]


def _each(make: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., None]:
    def changed(tensors: dict[str, torch.Tensor], name: str) -> None:
        tensors[name] = make(tensors[name]).contiguous().clone()

    return changed


BY_NAME: dict[str, Callable[[dict[str, torch.Tensor], str], None]] = {
    "drop": _drop,
    "rename": _rename,
    "add": _add,
    "swap": _swap,
    "float64": _each(lambda one: one.double()),
    "float16": _each(lambda one: one.half()),
    "int32": _each(lambda one: one.int()),
    "complex": _each(lambda one: one.to(torch.complex64)),
    "bool": _each(lambda one: one.bool()),
    "flat": _each(lambda one: one.flatten()),
    "shorter": _each(lambda one: one[1:] if one.ndim else one[None]),
    "longer": _each(lambda one: torch.cat([one, one]) if one.ndim else one[None]),
    "turned": _each(lambda one: one.T if one.ndim == 2 else one.flip(0)),
    "empty": _each(lambda one: one.flatten()[:0]),
    "more axes": _each(lambda one: one[None]),
    "nan": _each(lambda one: torch.full_like(one.float(), float("nan")).to(one.dtype)),
    "inf": _each(lambda one: torch.full_like(one.float(), float("inf")).to(one.dtype)),
    "huge": _each(
        lambda one: (
            torch.full_like(one, torch.iinfo(one.dtype).max)
            if not one.is_floating_point() and one.dtype != torch.bool
            else one * 1e30
        )
    ),
    "negative": _each(lambda one: one if one.dtype == torch.bool else -one - 1),
    "zero": _each(torch.zeros_like),
}


@EXAMPLES
@given(where=WHERE, how=st.sampled_from(list(BY_NAME)))
def test_tensors_whose_digest_was_made_good_are_refused_in_words_or_predict(
    saved: Path, whole: Path, separable: Any, where: int, how: str
) -> None:
    tensors = load_file(whole / "model.safetensors")
    BY_NAME[how](tensors, some(sorted(tensors), where))
    (saved / "model.safetensors").unlink()
    save_file(tensors, saved / "model.safetensors")
    sha256 = hashlib.sha256((saved / "model.safetensors").read_bytes()).hexdigest()
    write(saved, {**header_of(whole), "tensors_sha256": sha256}, signed=True)
    outcome(saved, separable.X_test)


@EXAMPLES
@given(
    place=st.floats(0, 1, exclude_max=True),
    content=st.binary(max_size=3),
    file=st.sampled_from(["model.json", "model.safetensors"]),
)
@example(place=0.0, content=b"", file="model.safetensors")
def test_a_byte_changed_anywhere_is_noticed(
    *, saved: Path, whole: Path, separable: Any, place: float, content: bytes, file: str
) -> None:
    shutil.copytree(whole, saved, dirs_exist_ok=True)
    before = (whole / file).read_bytes()
    at = int(place * len(before))
    (saved / file).write_bytes(before[:at] + content + before[at + 1 :])
    chances = outcome(saved, separable.X_test)
    if chances is not None:
        same = PromptClassifier.load(whole, device="cpu").predict_proba(separable.X_test)
        assert np.array_equal(chances, same)


@pytest.mark.parametrize("kind", ["tensor", "json"])
def test_what_a_model_cannot_keep_is_said(
    tiny: dict[str, Any], separable: Any, tmp_path: Path, kind: str
) -> None:
    fitted = PromptClassifier(**tiny).fit(separable.X, separable.y)
    if kind == "tensor":
        fitted.parts_.combination.heads_[0].mean_.fill_(float("nan"))  # type: ignore[attr-defined]
    details = {"note": object()} if kind == "json" else {}
    with pytest.raises(ModelFileError, match=r"can't be kept in a file: .*(NaN|JSON)"):
        fitted.save(tmp_path / "model", **details)
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_format_3_is_read(tmp_path: Path) -> None:
    """It was written by tsprompt at 1252c65; its labels are `a` and `b`, in turn."""
    old = Path(__file__).with_name("format3")
    rng = np.random.default_rng(0)
    y = np.arange(12) % 2
    wave = np.sin(np.arange(24) * 0.4)[None, :, None] * y[:, None, None]
    X = rng.normal(size=(12, 24, 1)).round(3) + wave
    loaded = PromptClassifier.load(old, device="cpu")
    chances = loaded.predict_proba(X)
    assert chances[:3, 0] == pytest.approx([0.9595, 0.1047, 0.9008], abs=2e-3)
    again = PromptClassifier.load(loaded.save(tmp_path / "new"), device="cpu")
    assert header_of(tmp_path / "new")["format"] == 4
    assert np.array_equal(again.predict_proba(X), chances)
    header = header_of(old)
    header["state"]["dict"]["combination"]["dict"]["heads_"][0]["dict"]["temperature_"] = -1.0
    changed = Path(shutil.copytree(old, tmp_path / "changed"))
    (changed / "model.json").write_text(json.dumps(header))
    with pytest.raises(ModelFileError, match="head 1, temperature_"):
        PromptClassifier.load(changed, device="cpu")


def test_the_digest_can_be_insisted_on(
    tiny: dict[str, Any], separable: Any, tmp_path: Path
) -> None:
    fitted = PromptClassifier(**tiny).fit(separable.X, separable.y)
    path = fitted.save(tmp_path / "model")
    digest = header_of(path)["digest"]
    PromptClassifier.load(path, device="cpu", digest=digest)
    fitted.save(path, note="another")
    with pytest.raises(TspromptError, match="was asked for"):
        PromptClassifier.load(path, device="cpu", digest=digest)
