"""Tables that clients send are read in a process of their own.

A few bytes of Parquet or Arrow may stand for any amount of memory, and a file made for it may end
the process that reads it. That process is then another one than the server.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tsprompt.serving.refusals import RefusalError

if TYPE_CHECKING:
    from tsprompt.data import Cases

__all__ = ["TABLES", "Sent", "TableProcess", "TableReader"]

TABLES = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/vnd.apache.parquet": ".parquet",
    "application/vnd.apache.arrow.file": ".arrow",
    "application/vnd.apache.arrow.stream": ".arrows",
}
"""Types of bodies that hold a table -> how such a file's name ends."""
_ROOM = 2 << 30
"""Bytes that the process may take besides what it starts with."""


@dataclass(frozen=True)
class Sent:
    """A table as it was sent."""

    held: bytes
    ending: str
    """How the name of such a file ends."""
    options: Mapping[str, str]
    """What the request says of it."""
    most: int
    """Values that may be read."""


class TableReader(Protocol):
    """Reads a table as the file was read that a model was fitted on. It is a function of a module,
    so that another process can be told of it."""

    def __call__(self, sent: Sent, details: dict[str, Any], classes: list[Any]) -> Cases:
        """The cases of a table.

        Parameters
        ----------
        details, classes
            What the model's header tells of its file, and the labels.

        Raises
        ------
        TspromptError
            It can't be read, or does not fit the model.
        """
        ...


class TableProcess:
    """One process that reads tables, one after the other; another one where it has ended."""

    def __init__(self, read: TableReader, seconds: float) -> None:
        """It starts with the first table. `seconds`: how long it may read one."""
        self._read, self._seconds = read, seconds
        self._pool: ProcessPoolExecutor | None = None
        self._turn = asyncio.Lock()

    async def read(self, sent: Sent, details: dict[str, Any], classes: list[Any]) -> Cases:
        """The cases of a table; as `TableReader`.

        Raises
        ------
        RefusalError
            It takes too long or too much memory, or ends the process.
        TspromptError
            It can't be read, or does not fit the model.
        """
        async with self._turn:
            if self._pool is None:
                context = get_context("spawn")
                self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_begin)
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(self._seconds):
                    work = loop.run_in_executor(self._pool, self._read, sent, details, classes)
                    return await work
            except TimeoutError:
                self.stop()
                text = f"the table could not be read in {self._seconds:g} s; send a smaller one"
                raise RefusalError(413, text) from None
            except MemoryError:
                raise RefusalError(413, "the table needs too much memory; send less") from None
            except BrokenProcessPool:
                self.stop()
                raise RefusalError(422, "the table can't be read; write it anew") from None
            except asyncio.CancelledError:
                self.stop()  # it must not go on for nobody
                raise

    def stop(self) -> None:
        """End the process, whatever it does."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for one in processes:
            one.kill()


def _begin() -> None:
    """Let the process have a bounded memory, and leave Ctrl-C to the server."""
    import signal
    import warnings

    import pandas  # noqa: F401  (before memory is bounded, and not when the first table is there)
    import pyarrow.parquet  # noqa: F401

    threading.Thread(target=_end_with_server, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    with suppress(ImportError, OSError, ValueError):  # not every system has such bounds
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        bound = pages * resource.getpagesize() + _ROOM
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def _end_with_server() -> None:
    """End this process when the server has ended: one that is killed can't see to it."""
    server = parent_process()
    if server is not None:
        server.join()
        os._exit(1)
