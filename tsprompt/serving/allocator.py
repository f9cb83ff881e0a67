"""What libraries hold of memory that nobody uses: given back, and bounded."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import lru_cache
from typing import Any

__all__ = ["bound_kernels", "give_back"]

_KERNELS = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
"""The environment variable that oneDNN reads when torch uses it for the first time."""
_MOST_KERNELS = 32
"""Of oneDNN's own 1,024 each takes about 0.3 MiB, and each new number of rows in a batch brings
five: a server with batches of all sizes would grow for hours, and few are asked for again."""


def bound_kernels() -> None:
    """Let oneDNN keep fewer kernels than it would, unless the user has said how many. It has no
    effect once torch has used it."""
    os.environ.setdefault(_KERNELS, str(_MOST_KERNELS))


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
