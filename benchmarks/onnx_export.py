"""Models as ONNX files beside the models themselves: answers, sizes and speed, in one run.

    python benchmarks/onnx_export.py

Each set's model is fitted, exported whole and with 8-bit weights, and asked for all of test: by
tsprompt and by onnxruntime, on one core each, in turn, three times; the least time counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tsprompt import PromptClassifier
from tsprompt.export import export_onnx
from tsprompt_datasets import load_dataset

SETS = ("GunPoint", "ItalyPowerDemand", "BasicMotions")
ROUNDS = 3


def main() -> None:
    """Measure all sets, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="default", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {name: measure(name, options.recipe, options.seed) for name in SETS}
    for name, row in found.items():
        print(name, json.dumps(row))
    if options.out:
        command = f"python benchmarks/onnx_export.py --recipe {options.recipe}"
        told = {"command": f"{command} --seed {options.seed}", "found": found}
        options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def measure(name: str, recipe: str, seed: int) -> dict[str, Any]:
    """Differences, accuracies, sizes (MiB) and seconds."""
    data = load_dataset(name)
    model = PromptClassifier(recipe, device="cpu", dtype="float32", random_state=seed)
    model.fit(data.train.cases, data.train.labels)
    values = np.stack(list(data.test.cases)).astype(np.float32)
    truth, own = data.test.labels, model.predict_proba(values)
    row: dict[str, Any] = {"test cases": len(values), "accuracy": _accuracy(model, own, truth)}
    with tempfile.TemporaryDirectory() as folder:
        ask: dict[str, Callable[[], Any]] = {"tsprompt": lambda: model.predict_proba(values)}
        for kind in ("float32", "int8"):
            started = time.perf_counter()
            made = export_onnx(model, Path(folder) / f"{kind}.onnx", int8=kind == "int8")
            row[f"{kind}: seconds to export"] = round(time.perf_counter() - started, 1)
            session = _session(made.path)
            said = session.run(None, {"values": values})[0]
            row[f"{kind}: MiB"] = round(made.bytes / 2**20, 1)
            row[f"{kind}: largest difference"] = float(np.abs(said - own).max())
            row[f"{kind}: accuracy"] = _accuracy(model, said, truth)
            ask[kind] = lambda session=session: session.run(None, {"values": values})
        spent = {kind: [] for kind in ask}
        for _ in range(ROUNDS):
            for kind, question in ask.items():
                started = time.perf_counter()
                question()
                spent[kind].append(time.perf_counter() - started)
    least = {kind: min(seconds) for kind, seconds in spent.items()}
    row["seconds"] = {kind: round(seconds, 3) for kind, seconds in least.items()}
    for kind in ("float32", "int8"):
        row[f"{kind}: time, tsprompt = 1"] = round(least[kind] / least["tsprompt"], 2)
    return row


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _accuracy(model: PromptClassifier, chances: Any, truth: Any) -> float:
    said = np.asarray(model.classes_)[np.asarray(chances).argmax(axis=1)]
    return float((said.astype(str) == np.asarray(truth).astype(str)).mean())


if __name__ == "__main__":
    main()
