"""Loaders of blocks for workers: one that is slow, and those that take their worker down."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tsprompt.data import Cases, as_cases


@dataclass
class Held:
    cases: Cases
    labels: Any = None


def load(block: tuple[int, int], seconds: float = 0.0, dies: str = "", always: int = -1) -> Held:
    """Noise by the seed of the block. `dies` names a file: the first worker that finds it absent
    makes it, and ends; `always` is a block whose workers all end."""
    seed, count = block
    time.sleep(seconds)
    if dies and not Path(dies).exists():
        Path(dies).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if seed == always:
        os.kill(os.getpid(), signal.SIGKILL)
    return Held(as_cases(np.random.default_rng(seed).normal(size=(count, 20, 2))))


def number(dies: str, value: int) -> list[int]:
    """The value; `dies` as for `load`."""
    if dies and value == 3 and not Path(dies).exists():
        Path(dies).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [value]


def joined(parts: Any) -> list[int]:
    return [one for part in parts for one in part]
