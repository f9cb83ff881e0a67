"""Fit and predict beside aeon's convolutional classifiers, in turn, in one run.

    python benchmarks/speed_beside_aeon.py                       three sets, one core
    python benchmarks/speed_beside_aeon.py --cores 1 2 --sets OSULeaf
    python benchmarks/speed_beside_aeon.py --before FOLDER       and an older tsprompt, from there
    python benchmarks/speed_beside_aeon.py --methods default "default readout=pooled:first=2"

A method is one of aeon's by its name, or a recipe with choices behind it: the last line compares
the default, which reads one layer, with one that reads two. Each method has a process of its own,
which stays: numba's threads slow down torch's. What compiles or loads is done on a few cases first.
Then each method is asked once in every round. Seconds are those of the processor (`--clock wall`
for those of the clock): on a machine that has other work to do, the clock tells of that work. The
least of all rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tsprompt.base.files import write_whole

THEIRS = ("MiniRocket", "MultiRocketHydra")
METHODS = ("default", "default readout=pooled:first=2", "fast", "fast n_prompts=4", *THEIRS)
BESIDE = ("default", *THEIRS)
"""Methods that all others are compared with, where they are asked for."""
BEFORE = "before: "
MADE = "made"
WARMING = 12
"""Cases of each class, at most, on which what compiles or loads is done."""

Data = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Train (B, T, F), its labels, and test."""


def load(name: str, cases: int, data_dir: str | None) -> Data:
    if name == MADE:
        rng = np.random.default_rng(0)
        count = cases + cases * 1_320 // 3_600  # test as large beside train as FordA's
        y = rng.integers(0, 2, count)
        x = 0.3 * rng.standard_normal((count, 500, 1)).cumsum(axis=1)
        x += np.sin(np.arange(500) * (1 + 0.2 * y[:, None]) / 9)[:, :, None]
        x = x.astype(np.float32)
        return x[:cases], y[:cases], x[cases:]
    from tsprompt_datasets import load_dataset

    data = load_dataset(name, data_dir=data_dir)
    train, test = (np.stack(list(part.cases)) for part in (data.train, data.test))
    return train, np.asarray(data.train.labels), test


# --- a method, in its own process ---


def made(method: str, cores: int) -> tuple[Callable[[], Any], Callable[[np.ndarray], np.ndarray]]:
    """What makes a new classifier, and what turns cases (B, T, F) into what it reads."""
    if method in THEIRS:
        from aeon.classification import convolution_based as aeon

        kind = getattr(aeon, f"{method}Classifier")
        return lambda: kind(n_jobs=cores, random_state=0), by_channel
    import torch

    from tsprompt import PromptClassifier

    torch.set_num_threads(cores)
    recipe, *choices = method.split()
    chosen: dict[str, Any] = dict(one.split("=", 1) for one in choices)
    if "n_prompts" in chosen:
        chosen["n_prompts"] = int(chosen["n_prompts"])
    return lambda: PromptClassifier(recipe, device="cpu", random_state=0, **chosen), np.asarray


def by_channel(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 1).astype(np.float64)


def serve(method: str, arguments: argparse.Namespace) -> None:
    """Fit and predict once for every line that comes in."""
    warnings.simplefilter("ignore")
    train, labels, test = load(arguments.sets[0], arguments.cases, arguments.data_dir)
    make, read = made(method, arguments.cores[0])
    few = np.concatenate([np.flatnonzero(labels == one)[:WARMING] for one in np.unique(labels)])
    make().fit(read(train[few]), labels[few]).predict(read(test[:2]))
    print("ready", flush=True)
    for _ in sys.stdin:
        spent: dict[str, float] = {}
        model, given, asked = make(), read(train), read(test)
        timed(spent, "fit", lambda: model.fit(given, labels))  # noqa: B023
        timed(spent, "predict", lambda: model.predict(asked))  # noqa: B023
        print(json.dumps(spent), flush=True)


def timed(spent: dict[str, float], name: str, task: Callable[[], object]) -> None:
    clocks = {"cpu": time.process_time, "wall": time.perf_counter}
    before = {kind: clock() for kind, clock in clocks.items()}
    task()
    for kind, clock in clocks.items():
        spent[f"{name}, {kind}"] = clock() - before[kind]


# --- all methods, in turn ---


class Child:
    """A method in its own process."""

    def __init__(self, method: str, name: str, cores: int, arguments: argparse.Namespace) -> None:
        command = [sys.executable, "-P", __file__, "--method", method.removeprefix(BEFORE)]
        command += ["--sets", name, "--cores", str(cores), "--cases", str(arguments.cases)]
        command += ["--data-dir", arguments.data_dir] if arguments.data_dir else []
        threads = {one: str(cores) for one in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
        env = {**os.environ, **threads}
        if method.startswith(BEFORE):
            env["PYTHONPATH"] = str(arguments.before.resolve())
        self._process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait(self) -> None:
        """Until it is ready."""
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a method ended with {self._process.wait()}; see above")
        return line

    def ask(self) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._line())
        return found

    def end(self) -> None:
        self._process.communicate()


def measure(name: str, cores: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of all methods on one set: the least and the median of the rounds."""
    methods = list(arguments.methods)
    if arguments.before:
        methods += [BEFORE + one for one in methods if one not in THEIRS]
    children = {one: Child(one, name, cores, arguments) for one in methods}
    for child in children.values():
        child.wait()
    rounds: dict[str, list[dict[str, float]]] = {one: [] for one in methods}
    for number in range(arguments.rounds):
        for method, child in children.items():
            rounds[method].append(child.ask())
            print(name, cores, number, method, rounds[method][-1], file=sys.stderr, flush=True)
    for child in children.values():
        child.end()
    return {
        method: {
            key: {
                "least": min(one[key] for one in spent),
                "median": median(one[key] for one in spent),
            }
            for key in spent[0]
        }
        for method, spent in rounds.items()
    }


def show(title: str, found: dict[str, Any], clock: str) -> None:
    """A row for each method; beside others, its fit, its predict, and both."""
    beside = [one for one in BESIDE if one in found]
    table = Table(title=title)
    for column in ("", "fit", "predict", "both", *(f"x {one}" for one in beside)):
        table.add_column(column, justify="right" if column else "left")
    spent = {
        method: [own[f"{part}, {clock}"]["least"] for part in ("fit", "predict")]
        for method, own in found.items()
    }
    spent = {method: [*own, sum(own)] for method, own in spent.items()}
    for method, own in spent.items():
        ratios = [
            "  ".join(f"{a / b:.2f}" for a, b in zip(own, spent[other], strict=True))
            for other in beside
        ]
        table.add_row(method, *(f"{one:.2f}" for one in own), *ratios)
    Console(width=130).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--sets", nargs="+", default=["OSULeaf", MADE, "NATOPS"])
    parser.add_argument("--cases", type=int, default=3_600, help="train cases of the made set")
    parser.add_argument("--cores", nargs="+", type=int, default=[1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--before", type=Path, help="a folder with the packages of an older commit")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--method", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.method:
        serve(arguments.method, arguments)
        return
    found: dict[str, Any] = {}
    load_before = os.getloadavg()
    for name in arguments.sets:
        for cores in arguments.cores:
            title = f"{name}, {cores} core{'s' if cores > 1 else ''}"
            found[title] = measure(name, cores, arguments)
            show(f"{title}: seconds ({arguments.clock})", found[title], arguments.clock)
            if arguments.out:
                command = shlex.join(["python", "benchmarks/speed_beside_aeon.py", *sys.argv[1:]])
                told = {"command": command, "cases": arguments.cases, "load": load_before}
                text = json.dumps({**told, "found": found}, indent=1)
                write_whole(arguments.out, text + "\n")


if __name__ == "__main__":
    main()
