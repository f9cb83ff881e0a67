"""What tests of baselines share: weights of tiny models, and quiet where gaps are filled."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from quick_baselines import T5

from tsprompt.baselines import baselines
from tsprompt.errors import TspromptNotice


@pytest.fixture(scope="session")
def moment_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a tiny MOMENT, named as in the authors' file."""
    import torch
    from safetensors.torch import save_file

    from tsprompt.base.seeds import seeded_torch

    folder = tmp_path_factory.mktemp("moment")
    part = baselines["moment"]()
    with seeded_torch(0):
        model = part._module({"t5_config": {**T5, "feed_forward_proj": "gated-gelu"}})
    tensors = {
        key.replace("value.", "patch_embedding.value_embedding.", 1): value.contiguous()
        for key, value in model.state_dict().items()
    }
    save_file({**tensors, "head.linear.bias": torch.zeros(8)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"t5_config": T5, "patch_len": 8}))
    return folder


@pytest.fixture
def options(name: str, moment_folder: Path) -> dict[str, Any]:
    """What a baseline can't be made without here."""
    return {"mantis": {"weights": "random"}, "moment": {"weights": str(moment_folder)}}.get(
        name, {}
    )


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Filled gaps are said; that is tested apart. NumPy remarks on what compiled loops of aeon do
    silently."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TspromptNotice)
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"aeon\.")
        yield
