"""Runs take turns on a GPU: as many at a time as it is said to hold, whoever starts them.

A machine has many cores and few GPUs, and a language model fills the memory of one. A turn is a
lock of the operating system: it is gone with the process that held it, however that ended.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from tsprompt.base.names import for_file
from tsprompt.base.spec import name_in
from tsprompt.errors import ConfigError

if TYPE_CHECKING:
    from tsprompt.benchmark.measure import Machine
    from tsprompt.benchmark.plan import Cell

__all__ = ["gpu_of", "taking_turns"]

_AGAIN = 0.1
"""Seconds between two looks for a turn."""


def gpu_of(cell: Cell, machine: Machine) -> str | None:
    """The name of the GPU that a run is going to use; None: none."""
    if machine.device == "cpu" or not _learns_there(cell):
        return None
    from tsprompt.backbones.load import pick_device

    try:
        device = pick_device(machine.device)
    except ConfigError:  # the run itself says what is wrong
        return None
    return f"{device.type}-{device.index or 0}" if device.type != "cpu" else None


def _learns_there(cell: Cell) -> bool:
    if cell.method.kind != "baseline":
        return True
    from tsprompt.baselines import baselines

    name = name_in(cell.method.settings["baseline"])
    return name in baselines and baselines[name].uses_device


@contextmanager
def taking_turns(
    gpu: str | None,
    at_once: int,
    ended: Callable[[], bool] = lambda: False,
    folder: Path | None = None,
) -> Iterator[bool]:
    """Wait until fewer than so many runs of this user on this machine use a GPU, and count as one
    of them while the block lasts; whether it came to that.

    Parameters
    ----------
    ended
        Whether there is nothing to wait for any more.
    folder
        Where turns are kept; None: in this machine's folder for temporary files.
    """
    if gpu is None:
        yield True
        return
    own = folder or Path(tempfile.gettempdir()) / f"tsprompt-gpu-{_user()}"
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace(",", "_")
    turns = [
        FileLock(own / for_file(f"{gpu}-of-{visible}-{number}.lock"), timeout=0, thread_local=False)
        for number in range(at_once)
    ]
    while (taken := next((one for one in turns if _takes(one)), None)) is None:
        if ended():
            yield False
            return
        time.sleep(_AGAIN)
    try:
        yield not ended()
    finally:
        taken.release()


def _takes(turn: FileLock) -> bool:
    try:
        turn.acquire()
    except Timeout:
        return False
    return True


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
