"""A saved model as one ONNX file: tokenizer, prompt, language model, readout and head.

It runs where neither torch nor tsprompt is. The file takes its place only after it has been run
beside the model itself, on series of the kind that train was.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tsprompt import progress
from tsprompt.base.files import write_whole
from tsprompt.base.names import visible
from tsprompt.base.seeds import generator
from tsprompt.base.version import __version__
from tsprompt.classifier import PromptClassifier
from tsprompt.data import Cases
from tsprompt.errors import ConfigError
from tsprompt.export.graph import Graph, check, timesteps_of
from tsprompt.model.fitted import Fitted

__all__ = ["TOLERANCE", "Exported", "export_onnx"]

TOLERANCE = 1e-3
"""The most by which a probability of the file may differ from the model's, in float32."""
OPSET = 20
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_PROBES = 16
"""Random series that the file is tried with."""
_UINT8, _INT64 = 2, 7
"""As ONNX numbers its types."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its answers lie from the model's own."""

    path: Path
    timesteps: int
    bytes: int
    difference: float
    """The largest difference of a probability."""
    agreement: float
    """Share of the series tried that get the same label."""


def export_onnx(
    model: PromptClassifier,
    path: str | Path,
    *,
    timesteps: int | None = None,
    int8: bool = False,
    digest: str | None = None,
) -> Exported:
    """Write a fitted classifier as one ONNX file.

    Its input `values` (B, T, F) is float32, without gaps, in the order of features that the model
    was fitted on; its output `probabilities` (B, C) float32. The metadata hold `classes` (JSON),
    `timesteps`, `features`, `tsprompt` and the model's `digest`.

    Parameters
    ----------
    timesteps
        T; None: that of train, if all its series had one.
    int8
        Write the weights of the language model and of the head as 8-bit numbers. The file is then
        about a quarter as large, and is not held to the tolerance: see what is given back.
    digest
        Of the saved model, for the metadata.

    Raises
    ------
    ConfigError
        A package is missing, or the model can't be one graph; the text says for what part.
    """
    _check_packages()
    fitted = model.fitted_
    check(fitted)
    length = timesteps_of(fitted, timesteps)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        file = _write(fitted, length, Path(folder))
        probes = _probes(fitted, length)
        progress.report("trying out the graph", 2, 3)
        own = fitted.probabilities(Cases(probes))
        difference = float(np.abs(_run(file, probes) - own).max())
        if difference > TOLERANCE:
            raise ConfigError(
                f"the graph gives other probabilities than the model, by up to {difference:.1e}; "
                "nothing was written"
            )
        if int8:
            file = _quantised(file)
        said = _run(file, probes)
        content = _described(file, fitted, length, digest)
    place = write_whole(Path(path), content)
    return Exported(
        path=place,
        timesteps=length,
        bytes=len(content),
        difference=float(np.abs(said - own).max()),
        agreement=float((said.argmax(axis=1) == own.argmax(axis=1)).mean()),
    )


def _check_packages() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"writing ONNX needs {', '.join(missing)}: pip install 'tsprompt[onnx]'",
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """While the block runs, the exporter keeps its remarks on its own parts to itself."""
    # The quantiser advises through the root of all loggers.
    loggers = [logging.getLogger(name) for name in ("", "torch.onnx", "torch.export", "onnxscript")]
    before = [one.level for one in loggers]
    try:
        for one in loggers:
            one.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def _write(fitted: Fitted, timesteps: int, folder: Path) -> Path:
    """The graph as a file, its constants worked out."""
    graph = Graph(fitted, timesteps).eval()
    some = torch.zeros(3, timesteps, fitted.n_features)
    batch = torch.export.Dim("cases", min=1, max=1 << 20)
    progress.report("tracing", 0, 3)
    try:
        traced = torch.export.export(
            graph, (some,), dynamic_shapes={"values": {0: batch}}, strict=False
        )
        progress.report("translating", 1, 3)
        made = torch.onnx.export(
            traced,
            input_names=["values"],
            output_names=["probabilities"],
            opset_version=OPSET,
            optimize=False,
            verbose=False,
            custom_translation_table=_translations(),
        )
    except Exception as error:  # whatever a part does that has no form there
        tokenizer = fitted.design.tokenizer.name
        raise ConfigError(
            f"the model can't be written as ONNX, as far as the tokenizer {tokenizer!r} or the "
            f"language model goes: {_root(error)}"
        ) from None
    assert made is not None
    made.save(folder / "traced.onnx", external_data=False)
    return _folded(folder / "traced.onnx")


def _root(error: BaseException) -> str:
    """What went wrong first, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = (str(error).strip().splitlines() or [""])[0]
    return visible(f"{type(error).__name__}: {first[:200]}")


def _translations() -> dict[Any, Any]:
    """Operations of the tokenizers that the exporter has no words for."""
    from onnxscript import opset20

    op: Any = opset20

    def view(values: Any, dtype: int) -> Any:
        """Truth values as numbers of one byte: kernels count what lies above an edge so."""
        return op.Cast(values, to=_UINT8)

    def searchsorted(edges: Any, values: Any, *, right: bool = False, **_: Any) -> Any:
        """How many of the edges (E,) each of the values (...) lies above."""
        each = op.Unsqueeze(values, [-1])
        above = op.GreaterOrEqual(each, edges) if right else op.Greater(each, edges)
        return op.ReduceSum(op.Cast(above, to=_INT64), [-1], keepdims=0)

    return {
        torch.ops.aten.view.dtype: view,
        torch.ops.aten.searchsorted.Tensor: searchsorted,
    }


def _session(file: Path, **options: Any) -> Any:
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.log_severity_level = 3
    for name, value in options.items():
        setattr(chosen, name, value)
    return onnxruntime.InferenceSession(file, chosen, providers=["CPUExecutionProvider"])


def _folded(file: Path) -> Path:
    """The same with what does not depend on the input worked out, in operations of ONNX alone."""
    import onnxruntime

    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    place = file.with_name("folded.onnx")
    _session(file, graph_optimization_level=level, optimized_model_filepath=str(place))
    return place


def _quantised(file: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    place = file.with_name("int8.onnx")
    quantize_dynamic(
        file, place, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
    )
    return place


def _run(file: Path, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    said = _session(file).run(None, {"values": values})[0]
    return np.asarray(said)


def _probes(fitted: Fitted, timesteps: int) -> npt.NDArray[np.float32]:
    """Random walks (n, T, F) on the scale of train: smooth and rough stretches, far and near."""
    rng = generator(fitted.seed, "onnx")
    steps = rng.standard_normal((_PROBES, timesteps, fitted.n_features))
    walks = steps.cumsum(axis=1)
    walks /= walks.std(axis=1, keepdims=True) + 1e-6
    standard: Any = fitted.design.preprocessing
    scaled = (walks + 0.1 * steps) * np.asarray(standard.scale_) + np.asarray(standard.mean_)
    return np.asarray(scaled, dtype=np.float32)


def _described(file: Path, fitted: Fitted, timesteps: int, digest: str | None) -> bytes:
    """The file with its metadata."""
    import onnx

    made = onnx.load(file)
    told = {
        "classes": json.dumps([str(one) for one in fitted.classes]),
        "timesteps": str(timesteps),
        "features": json.dumps(fitted.expected.features or fitted.n_features),
        "tsprompt": __version__,
        **({"digest": digest} if digest else {}),
    }
    onnx.helper.set_model_props(made, told)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())
