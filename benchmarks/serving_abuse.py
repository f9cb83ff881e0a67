"""Requests that harm: killed, slow, too large or damaged; for ``serving.py``."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import struct
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from serving_clients import Known, clients, summary

JSON = "application/json"


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
