"""What aeon does to the whole process, kept to a block; and how many threads it may use."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["isolated", "threads"]


@contextmanager
def isolated() -> Iterator[None]:
    """Run a block of aeon's: it may seed NumPy's and torch's global generators, set torch's
    threads, and have numba remark on casts of aeon's own while it compiles. That a series hardly
    varies, as aeon says, is none of the methods' difficulties."""
    import torch

    numbers, count = np.random.get_state(), torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # Numba colours what it says where it can.
            warnings.filterwarnings("ignore", ".*unsafe cast from uint64 to int64")
            warnings.filterwarnings("ignore", ".* has one or more case/channel pairs with very li")
            yield
    finally:
        np.random.set_state(numbers)
        torch.set_num_threads(count)


def threads() -> int:
    """As many as torch has been given, so that one setting holds for all; numba has a limit too."""
    import torch
    from numba import config

    return min(torch.get_num_threads(), int(config.NUMBA_NUM_THREADS))
