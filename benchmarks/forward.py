"""The forward pass of a language model against plain matrix products of the same size.

    python benchmarks/forward.py [--backbone NAME] [--device auto] [--dtype auto] [--compile]

Three things are timed in turn, round by round, so that whatever else the machine does falls on all
of them: the model as tsprompt runs it; each of its matrix products alone, on matrices of the same
shapes, in the same dtype, on the same device, with as many threads; and, as a bound, one product of
square matrices, the most that the machine gives. A share is the time of the products over that of
the pass: what is missing is attention, norms, activations and whatever the program does between.
With --compile the model is also run through torch.compile. Times are the least of the rounds: of a
processor its own time, in all threads together, so that other programs count for less; of a GPU the
time between two marks in what it has to do.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tsprompt.backbones import load_backbone
from tsprompt.base.accelerator import between, mark, peak_bytes, reset_peak, synchronise

SQUARE = 2_048
"""Rows and columns of the square matrices."""
WARM = 2
"""Rounds that do not count."""

Ways = dict[str, Callable[[], Any]]


def main() -> None:
    """Time all of it, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="minilm", help="default: %(default)s")
    parser.add_argument("--depth", type=int, help="layers; default: all")
    parser.add_argument("--device", default="auto", help="default: %(default)s")
    parser.add_argument("--dtype", default="auto", help="default: %(default)s")
    parser.add_argument("--length", type=int, default=70, help="L, default: %(default)s")
    parser.add_argument("--rows", type=int, default=29, help="of a batch, default: %(default)s")
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--compile", action="store_true", help="torch.compile as well")
    print(json.dumps(measure(parser.parse_args()), indent=1))


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    backbone = load_backbone(asked.backbone, asked.depth, 0, asked.device, asked.dtype)
    place: dict[str, Any] = {"device": backbone.device, "dtype": backbone.dtype}
    rows = torch.randn(asked.rows, asked.length, backbone.hidden_size, **place)
    shapes, tokens = linear_shapes(backbone.model_layers), asked.rows * asked.length
    products = [(torch.randn(tokens, n, **place), torch.randn(m, n, **place)) for n, m in shapes]
    square = torch.randn(SQUARE, SQUARE, **place)
    ways: Ways = {
        "the model": lambda: backbone.run(rows, (backbone.depth,)),
        "its products": lambda: [nn.functional.linear(x, w) for x, w in products],
        "a square product": lambda: square @ square,
    }
    if asked.compile:
        compiled = torch.compile(backbone.model, dynamic=False)
        ways["the model, compiled"] = lambda: compiled(inputs_embeds=rows)
    reset_peak()
    best = least(ways, backbone.device, asked.rounds)
    flops = dict.fromkeys(ways, sum(2 * tokens * n * m for n, m in shapes))
    flops["a square product"] = 2 * SQUARE**3
    told = {
        name: {
            "milliseconds": round(1e3 * seconds, 3),
            "GFLOP/s": round(flops[name] / seconds / 1e9, 1),
            "share of its products": round(best["its products"] / seconds, 3),
        }
        for name, seconds in best.items()
    }
    del told["a square product"]["share of its products"]
    about = {
        "backbone": backbone.name,
        "layers": backbone.depth,
        "rows": asked.rows,
        "length": asked.length,
        "device": str(backbone.device),
        "dtype": backbone.dtype_name,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "peak GPU bytes": peak_bytes(),
    }
    return {**about, **told}


def least(ways: Ways, device: torch.device, rounds: int) -> dict[str, float]:
    """The least seconds of each, all of them in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for number in range(rounds + WARM):
            for name, run in ways.items():
                begun, before = mark(device), time.process_time()
                run()
                ended, after = mark(device), time.process_time()
                synchronise(device)
                if number >= WARM:
                    own = after - before if device.type == "cpu" else between(begun, ended)
                    seconds[name].append(own)
    return {name: min(all_) for name, all_ in seconds.items()}


def linear_shapes(layers: list[nn.Module]) -> list[tuple[int, int]]:
    """Inputs and outputs of every matrix that a token goes through."""
    found: list[Tensor] = [
        one.weight for layer in layers for one in layer.modules() if isinstance(one, nn.Linear)
    ]
    return [(int(one.shape[1]), int(one.shape[0])) for one in found]


if __name__ == "__main__":
    main()
