"""Fits of more and more cases: seconds, memory, and where the time goes.

    python benchmarks/large_fit.py                       2,000 to 60,000 cases
    python benchmarks/large_fit.py --cases 2000 200000   these sizes

The series are made up: the classes differ in shape, under noise. Each size is fitted in a process
of its own, on one core; what is done is kept in the results file, and is not done again. Of memory
two peaks are given: of all that lay in memory, and of what the system can't write out or drop
(anonymous memory); pages of scratch files are in the first alone.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

SIZES = (2_000, 6_000, 20_000, 60_000)
TIMESTEPS = 100
CLASSES = 4
SEED = 0
RESULTS = Path(__file__).parent / "results" / "large_fit.json"


def main() -> None:
    """Fit each size that has not been, and print all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--recipe", default="fast", help="default: %(default)s")
    parser.add_argument("--backbone", default="minilm", help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.recipe, options.backbone)))
        return
    done = json.loads(options.results.read_text()) if options.results.exists() else {}
    kind = ["--recipe", options.recipe, "--backbone", options.backbone]
    names = [f"{options.recipe}, {options.backbone}, {one}" for one in sorted(options.cases)]
    for name, count in zip(names, sorted(options.cases), strict=True):
        if name not in done:
            call = [sys.executable, __file__, "--child", str(count), *kind]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            told = subprocess.run(call, stdout=subprocess.PIPE, check=True, env=environment)
            done[name] = json.loads(told.stdout.splitlines()[-1])
            options.results.write_text(json.dumps(done, indent=1) + "\n")
    show([done[name] for name in names])


def made_up(count: int) -> tuple[Any, Any]:
    """Series (B, T, 1) of four shapes, each stretched, shifted in time and under noise."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    labels = rng.integers(0, CLASSES, count)
    time_ = np.linspace(0, 1, TIMESTEPS, dtype=np.float32)
    values = np.empty((count, TIMESTEPS, 1), dtype=np.float32)
    shapes = (
        lambda t: np.sin(4 * np.pi * t),
        lambda t: np.sign(np.sin(4 * np.pi * t)),
        lambda t: 2 * np.abs((2 * t) % 2 - 1) - 1,
        lambda t: np.sin(4 * np.pi * t) + 0.5 * np.sin(12 * np.pi * t),
    )
    for start in range(0, count, 10_000):
        part = slice(start, start + 10_000)
        own = labels[part]
        shift, stretch = rng.random((len(own), 1)), rng.uniform(0.8, 1.2, (len(own), 1))
        phases = stretch * time_ + shift
        made = np.stack([shape(phases) for shape in shapes])[own, np.arange(len(own))]
        values[part, :, 0] = made + rng.normal(0, 1.0, made.shape)
    return values, labels


def measure(count: int, recipe: str, backbone: str) -> dict[str, Any]:
    """Fit so many cases; what it took."""
    from tsprompt import PromptClassifier
    from tsprompt.combinations.concatenate import Concatenate
    from tsprompt.reading.reader import Reader

    values, labels = made_up(count)
    spent = {"tokenizer": 0.0, "head": 0.0}
    timed(Reader, "_transform", spent, "tokenizer")
    timed(Concatenate, "fit", spent, "head")
    # A first small fit loads the language model and what is imported late.
    warnings.simplefilter("ignore")
    classifier = PromptClassifier(
        recipe, backbone=backbone, device="cpu", dtype="float32", random_state=SEED
    )
    classifier.fit(values[:200], labels[:200])
    spent.update(tokenizer=0.0, head=0.0)
    before = memory()["RssAnon"]
    with Peak() as peak:
        started, used = time.perf_counter(), time.process_time()
        classifier.fit(values, labels)
        wall, used = time.perf_counter() - started, time.process_time() - used
    return {
        "cases": count,
        "seconds": wall,
        "processor_seconds": used,
        "tokenizer_seconds": spent["tokenizer"],
        "reading_seconds": classifier.costs_["lm_seconds"],
        "head_seconds": spent["head"],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_anonymous_bytes": peak.most,
        "anonymous_bytes_before": before,
        "series_bytes": values.nbytes,
        "features": len(classifier.parts_.combination.heads_[0].mean_),
        "scratch_gib": classifier.report_.get("features in a scratch file, GiB", 0.0),
        "validation_accuracy": classifier.scores_["validation_accuracy"],
        "load": os.getloadavg()[0],
    }


def timed(owner: Any, name: str, spent: dict[str, float], what: str) -> None:
    """Add up how long a method takes."""
    real = getattr(owner, name)

    def clocked(*given: Any, **more: Any) -> Any:
        started = time.perf_counter()
        try:
            return real(*given, **more)
        finally:
            spent[what] += time.perf_counter() - started

    setattr(owner, name, clocked)


class Peak:
    """The most anonymous memory of this process while it is open, looked at ten times a second."""

    def __enter__(self) -> Peak:
        self.most, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            self.most = max(self.most, memory()["RssAnon"])

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def memory() -> dict[str, int]:
    """What Linux says of this process's memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = [line.split() for line in lines if line.startswith("Rss")]
    return {name.rstrip(":"): int(size) * 1024 for name, size, *_ in pairs}


def show(rows: list[dict[str, Any]]) -> None:
    """A line for each size, and how time grows from one to the next."""
    import math

    print("  cases  seconds  growth  tokenizer  reading   head  peak GiB  anonymous GiB")
    last: dict[str, Any] | None = None
    for row in rows:
        shares = [
            row[f"{part}_seconds"] / row["seconds"] for part in ("tokenizer", "reading", "head")
        ]
        growth = ""
        if last is not None:
            times = row["processor_seconds"] / last["processor_seconds"]
            growth = f"{math.log(times) / math.log(row['cases'] / last['cases']):.2f}"
        sizes = [row[name] / 2**30 for name in ("peak_bytes", "peak_anonymous_bytes")]
        print(
            f"{row['cases']:7,} {row['processor_seconds']:8,.0f} {growth:>7}"
            f" {shares[0]:10.0%} {shares[1]:8.0%} {shares[2]:6.0%} {sizes[0]:9.2f} {sizes[1]:14.2f}"
        )
        last = row
    first, end = rows[0], rows[-1]
    if len(rows) > 1:
        times = end["processor_seconds"] / first["processor_seconds"]
        whole = math.log(times) / math.log(end["cases"] / first["cases"])
        print(f"seconds grow as cases to the power of {whole:.2f}, from the first to the last")


if __name__ == "__main__":
    main()
