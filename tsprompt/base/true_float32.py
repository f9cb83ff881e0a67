"""float32 in full, where a threshold decides by the last bits.

Accelerators may round what they multiply to 11 bits (TF32), for speed: convolutions on a GPU of
NVIDIA by default, all matrices where the user allows it; and processors to bfloat16. A language
model hardly notices. A value that is compared with a threshold of train does: it would fall to
either side of it by the kind of device.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["true_float32"]


class _Settings:
    """How torch multiplies float32, in all of the process: on CUDA, and on the processor."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        """Blocks that run now, in any thread."""
        self._before: list[tuple[Any, str]] = []

    def enter(self) -> None:
        """Take the settings away, if this is the first block."""
        own: Any = torch.backends
        places = (own.cuda.matmul, own.cudnn.conv, own.mkldnn.matmul, own.mkldnn.conv)
        with self._lock:
            if not self._inside:
                rough = [(one, one.fp32_precision) for one in places]
                self._before = [(one, how) for one, how in rough if how not in ("ieee", "none")]
                for one, _ in self._before:
                    one.fp32_precision = "ieee"
            self._inside += 1

    def leave(self) -> None:
        """Put them back, if this is the last one."""
        with self._lock:
            self._inside -= 1
            if not self._inside:
                for one, how in self._before:
                    one.fp32_precision = how


_SETTINGS = _Settings()


@contextmanager
def true_float32() -> Iterator[None]:
    """While the block runs, nothing in this process multiplies less than float32 in full.

    The first of several blocks that run at once takes the settings away, the last puts them back.
    A graph that is traced has no settings.
    """
    if torch.compiler.is_compiling():
        yield
        return
    _SETTINGS.enter()
    try:
        yield
    finally:
        _SETTINGS.leave()
