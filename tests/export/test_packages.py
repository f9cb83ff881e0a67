"""What is missing is said before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tsprompt import PromptClassifier
from tsprompt.errors import ConfigError
from tsprompt.export import export_onnx, onnx


def test_without_the_packages_the_command_that_installs_them_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = onnx.find_spec

    def none(name: str) -> Any:
        return None if name == "onnxruntime" else real(name)

    monkeypatch.setattr(onnx, "find_spec", none)
    with pytest.raises(ConfigError, match=r"onnxruntime.*pip install 'tsprompt\[onnx\]'"):
        export_onnx(PromptClassifier(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
