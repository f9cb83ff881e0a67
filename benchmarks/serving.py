"""A server under load, and under abuse: ``python benchmarks/serving.py --seed 0``.

1. One client, one case of GunPoint after the other: the warm median, and what of it is the pass.
2. Many clients at once, mixed models, for two minutes: each answer is compared with what the model
   says when it is asked directly. Memory is read once a second.
3. Clients that are killed in mid-request, send a byte a second, too much, or 10,000 damaged
   requests, while others go on asking: these must be answered, and rightly.

Models are fitted where they are not there yet.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import random
import re
import signal
import statistics
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil
import pyarrow as pa
from pyarrow import parquet

MODELS = {
    "GunPoint": ("GunPoint", "default"),
    "GunPoint-fast": ("GunPoint", "fast"),
    "BasicMotions": ("BasicMotions", "fast"),
    "ItalyPowerDemand": ("ItalyPowerDemand", "fast"),
    "ArrowHead": ("ArrowHead", "fast"),
}
"""Name -> set and recipe. The first two are timed one by one, all but the first are under load."""
TOLERANCE = 1e-4
"""How far a probability may be from the direct one: cases that share a pass stand in other places
of a matrix product, whose sums are then rounded otherwise."""
JSON = "application/json"


@dataclass
class Known:
    """A model: cases, and what it says of them when it is asked directly."""

    name: str
    cases: list[Any]
    chances: np.ndarray


@dataclass
class Seen:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    largest: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)


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


async def ask(
    client: httpx2.AsyncClient, known: list[Known], rng: random.Random, seen: Seen
) -> None:
    """One request with one to three cases of a model, its answer compared."""
    model = rng.choice(known)
    some = [rng.randrange(len(model.cases)) for _ in range(rng.randint(1, 3))]
    body = {"cases": [model.cases[at] for at in some]}
    started = time.perf_counter()
    try:
        answer = await client.post(f"/models/{model.name}/predict", json=body)
    except httpx2.HTTPError as error:
        seen.errors[type(error).__name__] += 1
        return
    seen.seconds.append(time.perf_counter() - started)
    if answer.status_code != 200:
        seen.errors[str(answer.status_code)] += 1
        return
    found = np.array([one["probabilities"] for one in answer.json()["cases"]])
    off = float(np.abs(found - model.chances[some]).max())
    seen.largest = max(seen.largest, off)
    seen.wrong += off > TOLERANCE


async def clients(
    address: str, known: list[Known], count: int, until: asyncio.Event, seed: int
) -> Seen:
    """So many clients, each asking one thing after the other."""
    seen = Seen()

    async def one(number: int) -> None:
        rng = random.Random(f"{seed} {number}")
        limits = httpx2.Limits(max_connections=1)
        async with httpx2.AsyncClient(base_url=address, timeout=90, limits=limits) as client:
            while not until.is_set():
                await ask(client, known, rng, seen)

    await asyncio.gather(*(one(number) for number in range(count)))
    return seen


async def under_load(
    address: str, known: list[Known], process: int, asked: argparse.Namespace
) -> dict[str, Any]:
    """Figures of many clients at once."""
    count, seconds, seed = asked.clients, asked.seconds, asked.seed
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
    quarter = len(memory) // 4
    return {
        "clients": count,
        "seconds": seconds,
        **summary(seen),
        "requests_per_pass": requests / batches,
        "memory_mb_second_quarter": statistics.median(memory[quarter : 2 * quarter]),
        "memory_mb_last_quarter": statistics.median(memory[-quarter:]),
    }


def summary(seen: Seen) -> dict[str, Any]:
    """What clients saw, in figures."""
    seconds = sorted(seen.seconds)
    return {
        "answers": len(seconds),
        "errors": dict(seen.errors),
        "wrong": seen.wrong,
        "largest_difference": seen.largest,
        "p50_s": seconds[len(seconds) // 2],
        "p99_s": seconds[int(0.99 * len(seconds))],
    }


# --- abuse ---


def request(path: str, body: bytes, kind: str, length: int | None = None) -> bytes:
    """A request as it is sent."""
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {size}\r\nConnection: close\r\n\r\n".encode() + body


def good_bodies(model: Known) -> list[tuple[bytes, str]]:
    """The same cases in every form that is taken."""
    rows = np.array(model.cases[:3])[:, :, 0]
    table = pa.table({f"t{i}": rows[:, i] for i in range(rows.shape[1])})
    text = ",".join(table.column_names) + "\n"
    text += "\n".join(",".join(map(str, row)) for row in rows.tolist())
    made = [(json.dumps({"cases": model.cases[:2]}).encode(), JSON), (text.encode(), "text/csv")]
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    made.append((sink.getvalue(), "application/vnd.apache.parquet"))
    for kind, writer in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
        sink = io.BytesIO()
        with writer(sink, table.schema) as file:
            file.write_table(table)
        made.append((sink.getvalue(), f"application/vnd.apache.arrow.{kind}"))
    return made


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The same with a few bytes changed, taken out, doubled or put in."""
    held = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(held) or 1)
        how = rng.randrange(5)
        if how == 0 and held:
            held[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            held[at:at] = rng.randbytes(rng.randint(1, 20))
        elif how == 2:
            del held[at : at + rng.randint(1, 40)]
        elif how == 3:
            held[at:at] = held[at : at + rng.randint(1, 200)]
        else:
            held[at:at] = rng.choice([b"[", b'"', b"\0", b"NaN", b"1e999", b"\r\n", b"\xff", b"-"])
    return bytes(held)


def fuzzed(model: Known, bodies: list[tuple[bytes, str]], rng: random.Random) -> bytes:
    """A damaged request: its body, its head, or both."""
    body, kind = rng.choice(bodies)
    path = f"/models/{model.name}/predict"
    where = rng.randrange(4)
    if where in (0, 1):
        return request(path, damaged(body, rng), kind)
    if where == 2:
        return damaged(request(path, body, kind), rng)
    wrong = rng.choice(
        ["/models/../../etc/passwd/predict", "/models/%00/predict", "/%2e%2e/", path]
    )
    return request(wrong, damaged(body, rng), rng.choice(["", "x/y", JSON, "text/csv"]))


async def send(address: str, content: bytes, seconds: float = 40) -> str:
    """What comes back of raw bytes: a status, or how it ended."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(content)
        async with asyncio.timeout(seconds):
            line = await reader.readline()
        return line.split(b" ")[1].decode() if line.startswith(b"HTTP/1.1 ") else "closed"
    except TimeoutError:
        return "no answer"
    except (ConnectionError, IndexError):
        return "closed"
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def fuzz(address: str, known: list[Known], count: int, seed: int) -> Counter[str]:
    """Answers to damaged requests, 128 at a time: one in ten waits for the rest of a body that its
    own head promised."""
    rng, found = random.Random(seed), Counter[str]()
    model, bodies = known[0], good_bodies(known[0])
    requests = iter([fuzzed(model, bodies, rng) for _ in range(count)])

    async def one() -> None:
        for content in requests:
            found[await send(address, content)] += 1

    await asyncio.gather(*(one() for _ in range(128)))
    return found


async def killed(address: str, known: list[Known], count: int, seed: int) -> None:
    """Clients that send a part of a request, and are gone: half of them without a goodbye."""
    rng = random.Random(seed)
    host, port = address.removeprefix("http://").split(":")
    body, kind = good_bodies(known[0])[0]
    whole = request(f"/models/{known[0].name}/predict", body, kind)
    for number in range(count):
        _, writer = await asyncio.open_connection(host, int(port))
        part = whole if number % 4 == 0 else whole[: rng.randrange(1, len(whole))]
        writer.write(part)
        await asyncio.sleep(0.01)
        if number % 2:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: a reset, not a goodbye
        writer.close()


async def slow(address: str, known: list[Known], count: int) -> Counter[str]:
    """Clients that send a byte a second: half of them their headers, half their bodies."""
    host, port = address.removeprefix("http://").split(":")
    body, kind = good_bodies(known[0])[0]
    whole = request(f"/models/{known[0].name}/predict", body, kind)
    head = whole.index(b"\r\n\r\n") + 4

    async def one(number: int) -> str:
        reader, writer = await asyncio.open_connection(host, int(port))
        first = 1 if number % 2 else head
        writer.write(whole[:first])
        line = asyncio.ensure_future(reader.readline())
        for at in range(first, first + 60):
            done, _ = await asyncio.wait([line], timeout=1)
            if done:
                break
            writer.write(whole[at : at + 1])
        writer.close()
        if not line.done():
            line.cancel()
            return "still there after a minute"
        try:
            text = line.result()
        except ConnectionError:
            return "closed"
        return text.split(b" ")[1].decode() if text else "closed"

    return Counter(await asyncio.gather(*(one(number) for number in range(count))))


async def oversized(address: str, known: list[Known]) -> Counter[str]:
    """Bodies that are too large: said, and sent without saying how large."""
    path = f"/models/{known[0].name}/predict"
    found = Counter([await send(address, request(path, b"[", JSON, 1 << 40))])
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    found[await send(address, chunked + 400 * piece)] += 1
    found[await send(address, f"{head}X: {'x' * 100_000}\r\n\r\n".encode())] += 1
    many = json.dumps({"cases": [[0.0]] * 100_000}).encode()
    found[await send(address, request(path, many, JSON))] += 1
    return found


async def under_abuse(address: str, known: list[Known], count: int, seed: int) -> dict[str, Any]:
    """What abuse is answered with, and what four other clients see meanwhile."""
    until = asyncio.Event()
    others = asyncio.ensure_future(clients(address, known, 4, until, seed + 1))
    slowly = asyncio.ensure_future(slow(address, known, 100))
    await killed(address, known, 500, seed)
    large = await oversized(address, known)
    found = await fuzz(address, known, count, seed)
    slow_found = await slowly
    until.set()
    return {
        "killed": 500,
        "slow": dict(slow_found),
        "oversized": dict(large),
        "fuzzed": dict(found),
        "others": summary(await others),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=Path("results/serving"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--fuzzed", type=int, default=10_000)
    parser.add_argument("--steady", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1, help="cores of the language model")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/serving.json"))
    asked = parser.parse_args()
    known = prepare(asked.models, asked.seed)
    found: dict[str, Any] = {"seed": asked.seed, "threads": asked.threads}
    found["load_of_the_machine_before"] = os.getloadavg()[0]
    process, address = start(asked.models, asked.threads)
    try:
        for one in known[:2]:
            found[one.name] = latency(address, one, asked.rounds)
            found[one.name]["direct_median_ms"] = direct(asked.models, one, asked.rounds)
        known = known[1:]
        if asked.steady:
            found["steady_mb"] = steady(address, known[2], process.pid, asked.steady)
        print(json.dumps(found, indent=1), flush=True)
        found["load"] = asyncio.run(under_load(address, known, process.pid, asked))
        print(json.dumps(found["load"], indent=1), flush=True)
        if asked.fuzzed:
            found["abuse"] = asyncio.run(under_abuse(address, known, asked.fuzzed, asked.seed))
            print(json.dumps(found["abuse"], indent=1), flush=True)
        found["memory_mb_at_the_end"] = psutil.Process(process.pid).memory_info().rss / 2**20
        process.send_signal(signal.SIGTERM)
        found["exit_code"] = process.wait(60)
    finally:
        process.kill()
    asked.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"exit code {found['exit_code']}; written to {asked.output}")


if __name__ == "__main__":
    main()
