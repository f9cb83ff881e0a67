"""Sets for the runner's tests, which a process of its own imports; each load is written down."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from tsprompt.data import Cases, Dataset, Split
from tsprompt.errors import DatasetError


def load(cell: Any, log: str, seconds: float = 0.0) -> Dataset:
    """A small set; what its name says may happen first."""
    with Path(log).open("a", encoding="utf-8") as lines:
        lines.write(f"{cell.dataset}|{cell.method.name}|{cell.seed}|{time.time()}\n")
    if cell.dataset == "Crash":
        os.abort()
    if cell.dataset == "Hang":
        time.sleep(1_000)
    if cell.dataset == "Absent":
        raise DatasetError("no such set")
    if cell.dataset == "Bug":
        raise RuntimeError("a bug of the loader")
    time.sleep(seconds)
    rng = np.random.default_rng(cell.seed)
    y = np.array(["low", "high"] * 10)
    x = rng.standard_normal((20, 12, 1)).astype(np.float32) + 5 * (y == "high")[:, None, None]
    split = Split(Cases(x.astype(np.float32)), y)
    return Dataset(cell.dataset, split, split, "data-dir", {})
