"""Models as ONNX files, run by another engine beside the models themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError
from tsprompt.export import export_onnx
from tsprompt.export import onnx as module

pytestmark = [pytest.mark.slow, pytest.mark.extra("onnx")]

MODELS: dict[str, dict[str, Any]] = {
    "two layers, two prompts": {"n_prompts": 2, "tokenizer": "kernels:steps=8"},
    "words at the mask": {
        "tokenizer": "bins:bins=5,words=random",
        "readout": "mask",
        "n_prompts": 1,
    },
    "no language model": {"n_prompts": 1, "tokenizer": "patches:steps=8", "readout": "pooled"},
}


def made(backbone: str, data: Any, **settings: Any) -> PromptClassifier:
    fixed = {"backbone": backbone, "device": "cpu", "dtype": "float32", "random_state": 0}
    return PromptClassifier(**(fixed | settings)).fit(data.X, data.y)


def run(file: Path, values: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"values": values.astype(np.float32)})[0])


@pytest.mark.parametrize("kind", MODELS)
def test_another_engine_gives_the_same_probabilities(
    tiny_bert: str, separable: Any, tmp_path: Path, kind: str
) -> None:
    backbone = f"none:{tiny_bert}" if kind == "no language model" else tiny_bert
    model = made(backbone, separable, **MODELS[kind])
    told = export_onnx(model, tmp_path / "model.onnx", digest="abc")
    assert told.difference <= 1e-3
    own = model.predict_proba(separable.X_test)
    for count in (1, 2, len(own)):
        said = run(told.path, separable.X_test[:count])
        assert np.abs(said - own[:count]).max() < 1e-4

    import onnx

    told_of = {one.key: one.value for one in onnx.load(told.path).metadata_props}
    assert json.loads(told_of["classes"]) == [str(one) for one in model.classes_]
    assert told_of["digest"] == "abc"
    assert told_of["timesteps"] == str(separable.X.shape[1])


def test_eight_bits_are_smaller_and_say_how_far_off_they_are(
    tiny_bert: str, separable: Any, tmp_path: Path
) -> None:
    model = made(tiny_bert, separable, **MODELS["words at the mask"])
    whole = export_onnx(model, tmp_path / "whole.onnx")
    small = export_onnx(model, tmp_path / "small.onnx", int8=True)
    assert small.path.stat().st_size < whole.path.stat().st_size
    assert small.difference > 0
    assert 0 <= small.agreement <= 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dtype": "bfloat16"}, "load it with"),
        ({"scope": "step"}, "equal ones once"),
        ({"strategy": "autoencoder", "scope": "series"}, "network of its own"),
        ({"preprocessing": "standard:length=10"}, "resamples"),
        ({"preprocessing": "standard:standardise=series"}, "by itself"),
        ({"head": "mlp:epochs=2"}, "not linear"),
        ({"combination": "vote", "n_prompts": 2}, "another way"),
    ],
)
def test_what_has_no_form_is_refused_before_anything_is_written(
    tiny_bert: str, separable: Any, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    model = made(f"none:{tiny_bert}", separable, **({"n_prompts": 1} | settings))
    with pytest.raises(ConfigError, match=said):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_series_of_several_lengths_need_one(tiny_bert: str, ragged: Any, tmp_path: Path) -> None:
    model = made(f"none:{tiny_bert}", ragged, n_prompts=1, tokenizer="patches:steps=8")
    with pytest.raises(ConfigError, match="say which by timesteps"):
        export_onnx(model, tmp_path / "model.onnx")
    told = export_onnx(model, tmp_path / "model.onnx", timesteps=15)
    cases = [one for one in ragged.X_test if len(one) >= 15]
    values = np.stack([one[:15] for one in cases])
    assert np.abs(run(told.path, values) - model.predict_proba(values)).max() < 1e-4


def test_a_graph_that_says_something_else_is_not_kept(
    tiny_bert: str, separable: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made(f"none:{tiny_bert}", separable, n_prompts=1, tokenizer="patches:steps=8")
    real = module._run
    monkeypatch.setattr(module, "_run", lambda file, values: real(file, values)[:, ::-1])
    with pytest.raises(ConfigError, match="other probabilities"):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
