"""Speed and memory: everything as ratios within one run.

    python benchmarks/speed.py rates    the LM against a matrix product, and its share of a fit
    python benchmarks/speed.py methods  fit and predict beside other methods, in turn
    python benchmarks/speed.py memory   peak memory against the number of cases
    python benchmarks/speed.py latency  one case, one core, after load

`methods` takes what is installed: `pip install -e ".[bench,tsai]"`. Networks whose weights are not
at hand are made with random ones: their time is the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.nn import functional

from tsprompt import PromptClassifier
from tsprompt.backbones import BatchSize, load_backbone
from tsprompt.base.files import write_whole
from tsprompt.data import Dataset
from tsprompt.errors import TspromptNotice
from tsprompt_datasets import load_dataset

RECIPES = ("default", "fast", "accurate")
MOMENT = "encoder of MOMENT-large's shape, features of every tenth case, x 10"
INCEPTION_EPOCHS = 1_500
"""Epochs of InceptionTime's default training (Ismail Fawaz et al. 2020)."""


def seconds(task: Callable[[], object]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


# --- rates ---


def rates(arguments: argparse.Namespace) -> dict[str, Any]:
    """Arithmetic per second of the LM and of matrix products of its shapes, taken in turn."""
    backbone = load_backbone("minilm", 2, device="cpu")
    config = backbone.model.config
    # A series of 64 steps with its prompt, in batches as the classifier makes them.
    size, inner, length = config.hidden_size, config.intermediate_size, 64 + 16 + 3
    rows = 2_048 // length
    shapes = [(size, size)] * 4 + [(size, inner), (inner, size)]
    inputs = {
        width: torch.randn(rows * length, width, dtype=backbone.dtype) for width in (size, inner)
    }
    weights = [torch.randn(out, into, dtype=backbone.dtype) for into, out in shapes]
    embeddings = 0.1 * torch.randn(rows, length, size)
    products = sum(into * out for into, out in shapes)
    plain = 2 * rows * length * products
    forward = backbone.depth * (plain + 4 * rows * length * length * size)

    def multiply() -> None:
        for (into, _), weight in zip(shapes, weights, strict=True):
            functional.linear(inputs[into], weight)

    threads = torch.get_num_threads()
    batch, batches = BatchSize(rows * length, threads), 4 * threads

    def read() -> None:
        """Some batches, as the classifier has them read: side by side, each on one core."""
        for _ in batch.run(batches * rows, length, lambda _: backbone.run(embeddings, (1, 2))):
            pass

    multiply()
    read()
    product, model = [], []
    for _ in range(arguments.rounds * 20):
        spent = sum(seconds(multiply) for _ in range(batches))
        product.append(batches * plain / spent / 1e9)
        model.append(batches * forward / seconds(read) / 1e9)
    data = load(arguments)
    shares = []
    for seed in range(arguments.rounds + 1):
        classifier = PromptClassifier(device="cpu", random_state=seed)
        classifier.fit(data.train.cases, data.train.labels)
        shares.append(classifier.costs_["lm_seconds"] / classifier.costs_["fit_seconds"])
    return {
        "dtype": backbone.dtype_name,
        "threads": threads,
        "matrix product, GFLOP/s": float(np.median(product)),
        "LM forward, GFLOP/s": float(np.median(model)),
        "LM forward / matrix product": float(np.median(model) / np.median(product)),
        f"LM share of fit, {data.name}": float(np.median(shares[1:])),
    }


# --- methods ---


def methods(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds for fit and predict, train and test together; the best of some after a first one.

    aeon's come last: once numba's threads have run, all that torch does in the process takes ten
    times as long.
    """
    data = load(arguments)
    tasks: dict[str, Callable[[], object]] = {
        f"tsprompt {recipe}": ours(data, recipe) for recipe in RECIPES
    }
    if find_spec("mantis"):
        tasks["MantisV2 features"] = mantis(data)
    tasks[MOMENT] = moment(data)
    tasks["six GPT-2 layers, one pass"] = gpt2(data)
    if find_spec("tsai"):
        tasks["InceptionTime (tsai), one epoch"] = inception(data)
    if find_spec("aeon"):
        tasks.update(kernels_of_aeon(data))
    tasks = {
        name: task
        for name, task in tasks.items()
        if not any(word in name for word in arguments.skip)
    }
    best = {}
    for name, task in tasks.items():
        seconds(task)  # compiling, loading, first touch of memory
        best[name] = min(seconds(task) for _ in range(arguments.rounds))
        best[name] *= 10 if name == MOMENT else 1
        print(f"{name}: {best[name]:.1f} s", file=sys.stderr)
    if "InceptionTime (tsai), one epoch" in best:
        epoch = best["InceptionTime (tsai), one epoch"]
        best[f"InceptionTime, {INCEPTION_EPOCHS} such epochs"] = epoch * INCEPTION_EPOCHS
    found: dict[str, Any] = {name: {"seconds": spent} for name, spent in best.items()}
    for name, spent in best.items():
        found[name]["times default"] = spent / best["tsprompt default"]
    return found


def ours(data: Dataset, recipe: str) -> Callable[[], object]:
    def run() -> object:
        classifier = PromptClassifier(recipe, device="cpu", random_state=0)
        return classifier.fit(data.train.cases, data.train.labels).predict(data.test.cases)

    return run


def arrays(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Train and test (B, F, T)."""
    train, test = (np.stack(list(part.cases)) for part in (data.train, data.test))
    return train.transpose(0, 2, 1), test.transpose(0, 2, 1)


def kernels_of_aeon(data: Dataset) -> dict[str, Callable[[], object]]:
    from aeon.classification import convolution_based as aeon

    train, test = (part.astype(np.float64) for part in arrays(data))
    found: dict[str, Callable[[], object]] = {}
    for name in ("MiniRocket", "Rocket", "MultiRocketHydra"):
        kind = getattr(aeon, f"{name}Classifier")

        def run(kind: Any = kind) -> object:
            model = kind(n_jobs=os.cpu_count(), random_state=0)
            return model.fit(train, data.train.labels).predict(test)

        found[f"{name} (aeon)"] = run
    return found


def resized(data: Dataset, length: int) -> torch.Tensor:
    """Train and test together (B, F, length)."""
    joined = torch.from_numpy(np.concatenate(arrays(data)))
    return functional.interpolate(joined, size=length, mode="linear", align_corners=False)


def in_batches(model: torch.nn.Module, x: torch.Tensor, size: int = 64) -> Callable[[], object]:
    model.eval()

    def run() -> object:
        with torch.inference_mode():
            return [model(part) for part in x.split(size)]

    return run


def mantis(data: Dataset) -> Callable[[], object]:
    from mantis.architecture import MantisV2

    return in_batches(MantisV2(device="cpu"), resized(data, 512)[:, :1])


class Encoder(torch.nn.Module):
    """Random patches through a transformer of the given shape."""

    def __init__(self, model: torch.nn.Module, size: int, patch: int, stride: int) -> None:
        super().__init__()
        self.model, self.patch, self.stride = model, patch, stride
        self.embed = torch.nn.Linear(patch, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = x[:, 0].unfold(1, self.patch, self.stride)
        out: torch.Tensor = self.model(inputs_embeds=self.embed(patches)).last_hidden_state
        return out.mean(dim=1)


def moment(data: Dataset) -> Callable[[], object]:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        d_model=1024,
        d_ff=2816,
        d_kv=64,
        num_heads=16,
        num_layers=24,
        vocab_size=32,
        feed_forward_proj="gated-gelu",
    )
    return in_batches(Encoder(T5EncoderModel(config), 1024, 8, 8), resized(data, 512)[::10])


def gpt2(data: Dataset) -> Callable[[], object]:
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(n_layer=6, vocab_size=32, bos_token_id=None, eos_token_id=None)
    model = GPT2Model(config)
    return in_batches(Encoder(model, 768, 16, 8), torch.from_numpy(np.concatenate(arrays(data))))


def inception(data: Dataset) -> Callable[[], object]:
    from tsai.models.InceptionTime import InceptionTime

    x = torch.from_numpy(arrays(data)[0])
    y = torch.from_numpy(np.unique(data.train.labels, return_inverse=True)[1])
    model = InceptionTime(x.shape[1], int(y.max()) + 1)
    optimiser = torch.optim.Adam(model.parameters())

    def run() -> None:
        model.train()
        for part in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(model(x[part]), y[part]).backward()
            optimiser.step()

    return run


# --- memory ---


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """Peak memory of a process that fits and predicts, in GiB."""
    found = {}
    for count in (0, 1_250, 2_500, 5_000):
        command = [sys.executable, __file__, "one-memory", "--cases", str(count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[f"{count} cases" if count else "before the fit"] = json.loads(done.stdout)
    return found


def one_memory(arguments: argparse.Namespace) -> None:
    load_backbone("minilm", 2, device="cpu")
    spent = 0.0
    if arguments.cases:
        rng = np.random.default_rng(0)
        y = rng.integers(0, 5, arguments.cases)
        x = rng.standard_normal((arguments.cases, 140, 1)).cumsum(axis=1)
        x += np.sin(np.arange(140) * (1 + y[:, None]) / 9)[:, :, None]

        def run() -> None:
            classifier = PromptClassifier(device="cpu", random_state=0).fit(x.astype(np.float32), y)
            classifier.predict(x[:1_000].astype(np.float32))

        spent = seconds(run)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"GiB": peak, "seconds": spent}))


# --- latency ---


def latency(arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds to predict one case on one core, by a classifier that was saved and loaded."""
    data = load(arguments)
    found = {}
    threads = torch.get_num_threads()
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            classifier = PromptClassifier(recipe, device="cpu", random_state=0)
            classifier.fit(data.train.cases, data.train.labels).save(Path(folder) / "model")
            loaded = PromptClassifier.load(Path(folder) / "model")
        torch.set_num_threads(1)
        times = []
        for one in range(20):
            case = data.test.cases[one : one + 1]
            times.append(seconds(partial(loaded.predict, case)))
        torch.set_num_threads(threads)
        found[f"{recipe}, ms"] = 1e3 * float(np.median(times[3:]))
    return found


# --- all ---


def load(arguments: argparse.Namespace) -> Dataset:
    return load_dataset(arguments.set, data_dir=arguments.data_dir)


def show(title: str, found: dict[str, Any]) -> None:
    table = Table(title=title)
    keys = list(next(iter(found.values()))) if isinstance(next(iter(found.values())), dict) else []
    for column in ("", *(keys or ["value"])):
        table.add_column(column, justify="right" if column else "left")
    for name, value in found.items():
        cells = value.values() if isinstance(value, dict) else [value]
        table.add_row(
            name, *(f"{one:.3g}" if isinstance(one, float) else str(one) for one in cells)
        )
    Console(width=110).print(table)


def main() -> None:
    kinds = {"rates": rates, "methods": methods, "memory": memory, "latency": latency}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("kind", choices=[*kinds, "one-memory"])
    parser.add_argument("--set", default="OSULeaf")
    parser.add_argument("--data-dir")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--skip", nargs="+", default=[], help="methods with such a word: MOMENT")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", TspromptNotice)
    if arguments.kind == "one-memory":
        one_memory(arguments)
        return
    found = kinds[arguments.kind](arguments)
    show(arguments.kind, found)
    if arguments.out:
        command = shlex.join(["python", "benchmarks/speed.py", *sys.argv[1:]])
        text = json.dumps({"command": command, "found": found}, indent=1)
        write_whole(arguments.out, text + "\n")


if __name__ == "__main__":
    main()
