"""Pretrained encoders: their weights and features; and their records in a benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quick_baselines import T5, by_name, made

from tsprompt.benchmark import Cell, Machine, baseline, run_cells
from tsprompt.data import Dataset, Split, as_cases
from tsprompt.errors import BackboneError

pytestmark = pytest.mark.slow


# --- pretrained encoders ---


@by_name(["mantis", "moment"])
def test_without_weights_nothing_is_fitted(name: str, separable: Any, tmp_path: Path) -> None:
    part = made(name)
    with pytest.raises(BackboneError, match=r"not in Hugging Face's cache.*weights="):
        part.fit(separable.X, separable.y)
    with pytest.raises(BackboneError, match=r"holds no model\.safetensors"):
        made(name, weights=str(tmp_path)).check()
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    (tmp_path / "config.json").write_text(json.dumps({"t5_config": T5}))
    with pytest.raises(BackboneError, match="can't be loaded"):
        made(name, weights=str(tmp_path)).fit(separable.X, separable.y)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(BackboneError, match=r"config\.json can't be read"):
        made(name, weights=str(tmp_path)).fit(separable.X, separable.y)


def test_random_weights_are_told_in_the_title() -> None:
    assert baseline("mantis:weights=random").name == "Mantis + ridge (weights=random)"
    assert baseline("mantis").name == "Mantis + ridge"


@pytest.mark.extra("mantis")
def test_mantis_gives_the_features_of_its_package(separable: Any, tmp_path: Path) -> None:
    import torch
    from torch.nn.functional import interpolate

    part = made("mantis", weights="random").fit(separable.X, separable.y)
    part.model_.save_pretrained(tmp_path)
    loaded = made("mantis", weights=str(tmp_path)).fit(separable.X, separable.y)
    assert np.array_equal(
        loaded.predict_proba(separable.X_test), part.predict_proba(separable.X_test)
    )

    from mantis.architecture import MantisV1
    from mantis.trainer import MantisTrainer

    network = MantisV1(device="cpu", return_transf_layer=2, output_token="combined")
    network = network.from_pretrained(str(tmp_path))
    values = torch.from_numpy(separable.X_test).transpose(1, 2)
    resized = interpolate(values, 512, mode="linear", align_corners=False)
    theirs = MantisTrainer("cpu", network).transform(resized.numpy())
    np.testing.assert_allclose(part._features(as_cases(separable.X_test)), theirs, atol=1e-5)


def test_moment_reads_the_end_of_its_window(moment_folder: Path) -> None:
    import torch

    part = made("moment", weights=str(moment_folder))
    part.model_ = part._loaded().eval()
    series = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    seen: list[Any] = []
    part.model_.get_submodule("encoder").register_forward_pre_hook(
        lambda _, __, inputs: seen.append(inputs["inputs_embeds"]), with_kwargs=True
    )
    with torch.no_grad():
        assert part._embed(series).shape == (3, 16)
        scaled = (series - series.mean(1, keepdim=True)) / (
            series.std(1, keepdim=True, correction=0) + 1e-5
        )
        plain = part.model_.get_submodule("value")(scaled.unflatten(1, (5, 8)))
    place, width = torch.arange(59, 64).float()[:, None], torch.arange(0, 16, 2)
    wave = place / 10_000 ** (width / 16)
    torch.testing.assert_close((seen[0] - plain)[0, :, 0::2], wave.sin(), atol=1e-4, rtol=0)
    torch.testing.assert_close((seen[0] - plain)[0, :, 1::2], wave.cos(), atol=1e-4, rtol=0)


# --- in a benchmark ---


def test_records_hold_what_was_validated(separable: Any, moment_folder: Path) -> None:
    train = Split(as_cases(separable.X), separable.y)
    test = Split(as_cases(separable.X_test), separable.y_test)
    dataset = Dataset("Waves", train, test, "data-dir", {"Waves_TRAIN.ts": "abc"})
    methods = [baseline("prior"), baseline(f"moment:weights={moment_folder}")]
    cells = [Cell("Waves", method, 0) for method in methods]
    prior, moment = run_cells(cells, lambda *_: dataset, Machine(device="cpu"))
    assert (prior.status, prior.validation_accuracy, prior.total_parameters) == ("ok", None, 3)
    assert moment.validation == "leave-one-out"
    assert moment.validation_accuracy is not None
    assert moment.total_parameters > moment.trainable_parameters
