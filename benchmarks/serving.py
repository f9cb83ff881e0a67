"""A server under load, and under abuse: ``python benchmarks/serving.py --seed 0``.

- `warm`: one client, one case of GunPoint after the other: the median, and what of it is the pass.
- `steady`: one client asks about one case, again and again: does memory grow with requests?
- `long`: a few clients, mixed models, for some minutes: does memory grow with sizes of batches?
- `load`: many clients at once, mixed models, for two minutes.
- `abuse`: clients that are killed in mid-request, send a byte a second, too much, or 10,000 damaged
  requests, while others go on asking: these must be answered, and rightly.

Answers are compared with what the model says when it is asked directly; memory is read once a
second. Each part has a server of its own, and what it finds takes the place of what the file of
figures held of it. Models are fitted where they are not there yet.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
from serving_abuse import under_abuse
from serving_clients import Known, clients, summary

MODELS = {
    "GunPoint": ("GunPoint", "default"),
    "GunPoint-fast": ("GunPoint", "fast"),
    "BasicMotions": ("BasicMotions", "fast"),
    "ItalyPowerDemand": ("ItalyPowerDemand", "fast"),
    "ArrowHead": ("ArrowHead", "fast"),
}
"""Name -> set and recipe. The first two are timed one by one, all but the first are under load."""


def prepare(folder: Path, seed: int) -> list[Known]:
    """Models of four sets, and their direct predictions, each case by itself."""
    from tsprompt import PromptClassifier
    from tsprompt_datasets import load_dataset

    known = []
    for name, (dataset, recipe) in MODELS.items():
        data = load_dataset(dataset)
        if not (folder / name / "model.json").exists():
            model = PromptClassifier(recipe, random_state=seed).fit(
                data.train.cases, data.train.labels
            )
            model.save(folder / name, dataset=dataset)
        model = PromptClassifier.load(folder / name, device="cpu")
        cases = [np.asarray(one, float) for one in data.test.cases[:24]]
        chances = np.concatenate([model.predict_proba([one]) for one in cases])
        known.append(Known(name, [one.tolist() for one in cases], chances))
    return known


def start(folder: Path, threads: int) -> tuple[subprocess.Popen[str], str]:
    """A server of these models, and its address once they are loaded."""
    code = "from tsprompt_cli.main import main; main()"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            "serve",
            str(folder),
            "--port",
            "0",
            "--device",
            "cpu",
            "--timeout",
            "60",
        ],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["address"]
    # Nobody reads the log from here on, and it must not fill a pipe.
    subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
    while httpx2.get(f"{address}/readyz").status_code != 200:
        time.sleep(0.2)
    return process, address


def counted(address: str) -> dict[str, float]:
    """Sums and counts that the server keeps."""
    text = httpx2.get(f"{address}/metrics").text
    return {m[1]: float(m[2]) for m in re.finditer(r"^(tsprompt_\w+) ([\d.e+-]+)$", text, re.M)}


def latency(address: str, model: Known, rounds: int) -> dict[str, float]:
    """Milliseconds of one case over HTTP, one client."""
    with httpx2.Client(base_url=address) as client:
        seconds = []
        for number in range(rounds + 20):
            if number == 20:
                before = counted(address)
            body = {"cases": [model.cases[number % len(model.cases)]]}
            started = time.perf_counter()
            client.post(f"/models/{model.name}/predict", json=body).raise_for_status()
            seconds.append(time.perf_counter() - started)
    after = counted(address)
    passes = {
        key: after[f"tsprompt_pass_seconds_{key}"] - before[f"tsprompt_pass_seconds_{key}"]
        for key in ("sum", "count")
    }
    own = sorted(seconds[20:])
    return {
        "median_ms": 1000 * statistics.median(own),
        "least_ms": 1000 * own[0],
        "mean_ms": 1000 * statistics.mean(own),
        "pass_mean_ms": 1000 * passes["sum"] / passes["count"],
    }


def direct(folder: Path, known: Known, rounds: int) -> float:
    """Milliseconds of the same case in this process."""
    from tsprompt import PromptClassifier

    model = PromptClassifier.load(folder / known.name, device="cpu")
    case = [np.array(known.cases[0])]
    seconds = []
    for _ in range(rounds + 5):
        started = time.perf_counter()
        model.predict_proba(case)
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[5:])


def steady(address: str, model: Known, process: int, count: int) -> dict[str, float]:
    """Memory in MB while one client asks about one case, again and again."""
    server, found = psutil.Process(process), {}
    with httpx2.Client(base_url=address) as client:
        for number in range(1, count + 1):
            body = {"cases": model.cases[:1]}
            client.post(f"/models/{model.name}/predict", json=body).raise_for_status()
            if number % max(1, count // 5) == 0:
                found[str(number)] = server.memory_info().rss / 2**20
    return found


async def under_load(
    address: str, known: list[Known], process: int, *, count: int, seconds: float, seed: int
) -> dict[str, Any]:
    """Figures of so many clients at once."""
    until = asyncio.Event()
    memory: list[float] = []

    async def watch() -> None:
        server = psutil.Process(process)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            memory.append(server.memory_info().rss / 2**20)
            await asyncio.sleep(1)
        until.set()

    before = counted(address)
    seen, _ = await asyncio.gather(clients(address, known, count, until, seed), watch())
    after = counted(address)
    batches = after["tsprompt_batch_requests_count"] - before["tsprompt_batch_requests_count"]
    requests = after["tsprompt_batch_requests_sum"] - before["tsprompt_batch_requests_sum"]
    eighths = [statistics.median(one) for one in np.array_split(memory, 8)]
    return {
        "clients": count,
        "seconds": seconds,
        **summary(seen),
        "passes": batches,
        "requests_per_pass": requests / batches,
        "memory_mb_by_eighths": [round(one, 1) for one in eighths],
    }


# --- the parts ---


def warm(address: str, known: list[Known], process: int, asked: argparse.Namespace) -> Any:
    """Of the first two models."""
    found = {}
    for one in known[:2]:
        found[one.name] = latency(address, one, asked.rounds)
        found[one.name]["direct_median_ms"] = direct(asked.models, one, asked.rounds)
    return found


def one_again(address: str, known: list[Known], process: int, asked: argparse.Namespace) -> Any:
    """Memory by the number of requests."""
    return {"memory_mb": steady(address, known[3], process, asked.steady)}


def long(address: str, known: list[Known], process: int, asked: argparse.Namespace) -> Any:
    """A few clients."""
    how = {"count": asked.long_clients, "seconds": asked.long_seconds, "seed": asked.seed}
    return asyncio.run(under_load(address, known[1:], process, **how))


def load(address: str, known: list[Known], process: int, asked: argparse.Namespace) -> Any:
    """Many clients."""
    how = {"count": asked.clients, "seconds": asked.seconds, "seed": asked.seed}
    return asyncio.run(under_load(address, known[1:], process, **how))


def abuse(address: str, known: list[Known], process: int, asked: argparse.Namespace) -> Any:
    """Harmful clients, and a few others."""
    return asyncio.run(under_abuse(address, known[1:], asked.fuzzed, asked.seed))


PARTS: dict[str, Callable[[str, list[Known], int, argparse.Namespace], Any]] = {
    "warm": warm,
    "steady": one_again,
    "long": long,
    "load": load,
    "abuse": abuse,
}


def measured(part: str, known: list[Known], asked: argparse.Namespace) -> dict[str, Any]:
    """What one part finds, of a server of its own."""
    busy = os.getloadavg()[0]
    process, address = start(asked.models, asked.threads)
    try:
        found = PARTS[part](address, known, process.pid, asked)
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    finally:
        process.kill()
    about = {"seed": asked.seed, "threads": asked.threads, "load_of_the_machine_before": busy}
    return {**about, **found, "memory_mb_at_the_end": memory, "exit_code": code}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=Path("results/serving"))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--long-clients", type=int, default=8)
    parser.add_argument("--long-seconds", type=float, default=300)
    parser.add_argument("--fuzzed", type=int, default=10_000)
    parser.add_argument("--steady", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1, help="cores of the language model")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/serving.json"))
    asked = parser.parse_args()
    known = prepare(asked.models, asked.seed)
    for part in asked.parts:
        figures = json.loads(asked.output.read_text("utf-8")) if asked.output.exists() else {}
        figures[part] = measured(part, known, asked)
        print(part, json.dumps(figures[part], indent=1), flush=True)
        asked.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
