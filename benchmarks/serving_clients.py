"""Clients that ask a server and compare its answers: for ``serving.py``."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np

TOLERANCE = 1e-4
"""How far a probability may be from the direct one: cases that share a pass stand in other places
of a matrix product, whose sums are then rounded otherwise."""


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
