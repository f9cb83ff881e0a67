"""What libraries hold of memory that nobody uses: given back, and bounded."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import lru_cache
from typing import Any

__all__ = ["bound_kernels", "give_back"]

_MOST_KERNELS = {
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": 32,
    "LRU_CACHE_CAPACITY": 16,
}
"""How many kernels oneDNN keeps, and how many torch keeps of it beside that, by the environment
variables that each reads when it is first used. By themselves both keep 1,024: each takes 0.2 to
0.5 MiB, and each new number of rows in a batch brings five, so that a server with batches of all
sizes would grow for hours, and few are asked for again."""


def bound_kernels() -> None:
    """Let oneDNN and torch keep fewer kernels than they would, unless the user has said how many.
    It has no effect once torch has used them."""
    for name, most in _MOST_KERNELS.items():
        os.environ.setdefault(name, str(most))


def give_back() -> None:
    """Give freed memory back to the system, where the C library is glibc: it keeps what a pass or
    the loading of a model has let go of, mostly for ever. It takes some milliseconds."""
    trim = _trim()
    if trim is not None:
        trim(0)


@lru_cache
def _trim() -> Any:
    with suppress(OSError, AttributeError, TypeError):
        return ctypes.CDLL(None).malloc_trim
    return None
