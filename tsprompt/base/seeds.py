"""Random numbers: one seed, and independent streams derived from it by name.

The same (seed, name) always gives the same stream, whatever else was drawn before. So an ablation
draws the very prompts and kernels of the model that it is compared with.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["derive", "generator", "seeded_torch"]


def derive(seed: int, *names: str | int) -> int:
    """A seed below 2**31 for the stream called `names`."""
    words = [zlib.crc32(str(name).encode()) for name in names]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0] >> 1)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """NumPy's generator for the stream called `names`."""
    return np.random.default_rng(derive(seed, *names))


@contextmanager
def seeded_torch(seed: int) -> Iterator[None]:
    """Run a block with torch's global generators seeded, and put them back as they were."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
